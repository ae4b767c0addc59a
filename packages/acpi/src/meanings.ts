import { hexPair } from '@dmascope/layout'

const hex2 = (value: number): string => value.toString(16).padStart(2, '0')

/** A requester ID as people write it: `00:1f.2`. */
export const bdf = (id: number): string => `${hex2(id >>> 8)}:${hex2((id >>> 3) & 31)}.${id & 7}`

/** A number that is one less than what it stands for. */
export const bitsOneLess = (value: number): string => `${value + 1} bits`

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** A number of bytes in the largest unit that has whole ones. */
export function sizeText(lo: number, hi = 0): string {
  let size = (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0)
  let unit = 0
  while (size !== 0 && size % 1024 === 0 && unit < UNITS.length - 1) {
    size /= 1024
    unit++
  }
  return size > Number.MAX_SAFE_INTEGER ? '' : `${size} ${UNITS[unit]}`
}

const addressText = (hi: number, lo: number): string => `0x${hexPair(hi, lo).replace(/^0{1,8}/, '')}`

/**
 * The last byte of a region, inclusive, and its size; of one that ends before it starts, that alone.
 *
 * @param view - memory that has two le64 at `first` and `last`
 */
export function regionText(view: DataView, first: number, last: number): string {
  const base = view.getBigUint64(first, true)
  const limit = view.getBigUint64(last, true)
  if (limit < base) return 'ends before it starts'
  const size = limit - base + 1n
  return sizeText(Number(size & 0xffff_ffffn), Number((size >> 32n) & 0xffff_ffffn))
}

/** The last byte of configuration space for buses from `start` to `end`, by their base; `0xb0000000 - 0xbfffffff`. */
export function ecamText(baseLo: number, baseHi: number, start: number, end: number): string {
  if (end < start) return 'ends before it starts'
  const base = (BigInt(baseHi >>> 0) << 32n) | BigInt(baseLo >>> 0)
  const first = base + (BigInt(start) << 20n)
  const last = base + (BigInt(end + 1) << 20n) - 1n
  const text = (value: bigint): string =>
    addressText(Number((value >> 32n) & 0xffff_ffffn), Number(value & 0xffff_ffffn))
  return `buses ${hex2(start)} to ${hex2(end)} at ${text(first)} to ${text(last)}`
}

/** What node stands at an offset from the table's start, by its type: the meaning of a reference to nodes. */
export const nodeAt =
  (types: Readonly<Record<number, string>>) =>
  (offset: number, _hi: number, view: DataView): string =>
    offset === 0 || offset >= view.byteLength ? 'no node' : `to ${types[view.getUint8(offset)] ?? 'an unknown node'}`

/** `00:02.0`, or, of several steps, `00:03.0/00.0`: what a device scope leads to. */
export function pathText(bus: number, view: DataView, start: number, end: number): string {
  let text = `${hex2(bus)}:`
  for (let at = start; at + 2 <= end; at += 2) {
    text += `${at === start ? '' : '/'}${hex2(view.getUint8(at))}.${view.getUint8(at + 1).toString(16)}`
  }
  return start + 2 <= end ? text : ''
}
