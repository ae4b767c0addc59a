/** Whether an option was turned on: as typed by the catalogue, or as written. */
export const isOn = (value: unknown): boolean => value === true || value === 'on'

/** Whether it was turned off. */
export const isOff = (value: unknown): boolean => value === false || value === 'off'
