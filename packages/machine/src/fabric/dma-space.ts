import type { AddressSpace } from '@dmascope/memory'

/** Where in the machine a physical address leads. */
export type Landing = 'ram' | 'rom' | 'mmio' | 'hole'

export function landingOf(space: AddressSpace, address: number): Landing {
  if (space.isRam(address, 1)) return 'ram'
  return space.find(address)?.kind ?? 'hole'
}

const PREVIEW = 16

/** The first bytes of `data` as hex pairs. */
export function previewOf(data: Uint8Array): string {
  let text = ''
  for (let index = 0; index < Math.min(data.length, PREVIEW); index++) {
    text += (index === 0 ? '' : ' ') + data[index]!.toString(16).padStart(2, '0')
  }
  return text
}

/** What stands in RAM at `address` before a write of `length` bytes changes it. */
export function ramPreview(space: AddressSpace, address: number, length: number): string {
  const bytes = new Uint8Array(Math.min(length, PREVIEW))
  space.ram.readBytes(address, bytes)
  return previewOf(bytes)
}
