const kept: object[] = []

/**
 * Keeps an object of a class of many fields for good. V8 fits the room for fields in an object to those of its class
 * that live while the first few are made; where a collection finds none, all later ones have fields as a dictionary
 * has keys, and each access costs ten times as much. Machines, and so queues, come and go.
 */
export function keepShape(one: object): void {
  kept.push(one)
}
