/**
 * Routing IDs: how a function is addressed, and how a transaction names its requester: bus in bits 15:8, device in 7:3,
 * function in 2:0.
 */

/** @throws RangeError where a number does not fit: bus 0 to 255, device 0 to 31, function 0 to 7. */
export function requesterId(bus: number, device: number, fn: number): number {
  if (!(bus >= 0 && bus <= 255 && device >= 0 && device <= 31 && fn >= 0 && fn <= 7)) {
    throw new RangeError(`bus ${bus}, device ${device}, function ${fn}: at most 255, 31 and 7 are possible`)
  }
  return (bus << 8) | (device << 3) | fn
}

export const busOf = (id: number): number => (id >>> 8) & 0xff
export const deviceOf = (id: number): number => (id >>> 3) & 0x1f
export const functionOf = (id: number): number => id & 7

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

/** `00:1f.2`, of a requester ID. */
export const formatRequesterId = (id: number): string =>
  `${hex(busOf(id), 2)}:${hex(deviceOf(id), 2)}.${functionOf(id)}`

/** `0000:00:1f.2`, of a requester ID, as Linux writes it. */
export const formatBdf = (id: number, segment = 0): string => `${hex(segment, 4)}:${formatRequesterId(id)}`

/** The segment and requester ID of `0000:00:1f.2` or `00:1f.2`; null where the text is no such address. */
export function parseBdf(text: string): { readonly segment: number; readonly id: number } | null {
  const match = /^(?:([0-9a-f]{4}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i.exec(text)
  if (match === null) return null
  const [, segment = '0', bus = '0', device = '0', fn = '0'] = match
  return {
    segment: Number.parseInt(segment, 16),
    id: requesterId(Number.parseInt(bus, 16), Number.parseInt(device, 16), Number.parseInt(fn, 16)),
  }
}
