import { type AmlObject, childOf, parentOf } from './objects.ts'

/** Named objects by absolute path: `\_SB_.PCI0._PRT`, segments of four characters. */
export class AmlNamespace {
  readonly #objects = new Map<string, AmlObject>([['\\', { kind: 'scope' }]])

  get(path: string): AmlObject | undefined {
    return this.#objects.get(path)
  }

  set(path: string, object: AmlObject): void {
    this.#objects.set(path, object)
  }

  entries(): IterableIterator<[string, AmlObject]> {
    return this.#objects.entries()
  }

  /** The absolute path that `name`, written in `scope`, stands for when it is being defined. */
  place(name: string, scope: string): string {
    if (name.startsWith('\\')) return name
    let from = scope
    let rest = name
    for (; rest.startsWith('^'); rest = rest.slice(1)) from = parentOf(from)
    return rest === '' ? from : childOf(from, rest)
  }

  /**
   * The path of an object that is there. A single segment without prefix is looked for in the scope, then in all that
   * are around it, ACPI 6.5 §5.3.
   */
  find(name: string, scope: string): string | undefined {
    const first = this.place(name, scope)
    if (this.#objects.has(first)) return first
    if (name.length !== 4 || name.startsWith('\\') || name.startsWith('^')) return undefined
    for (let around = scope; around !== '\\'; ) {
      around = parentOf(around)
      const path = childOf(around, name)
      if (this.#objects.has(path)) return path
    }
    return undefined
  }
}
