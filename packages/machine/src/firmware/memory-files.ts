import { E820_ENTRY, E820_TYPE } from '@dmascope/acpi'
import type { SegmentMap } from '../segments/segment-map.ts'
import { type FirmwareFile, wholeFile } from './firmware-file.ts'
import { littleEndian64 } from './linked-tables.ts'

/** What a memory map tells of. */
export interface E820Facts {
  readonly ram: readonly { readonly base: number; readonly size: number }[]
  readonly segments: SegmentMap
  /** RAM that is not for the kernel. */
  readonly reserved?: readonly { readonly base: number; readonly size: number }[]
}

/**
 * What firmware is told of memory where the size of RAM does not say it all: the map, in which configuration space is
 * reserved, since kernels believe in no other, and above which address BARs of segment 0 may go.
 */
export function memoryFiles({
  ram,
  segments,
  reserved = [],
}: E820Facts): readonly (readonly [name: string, file: FirmwareFile])[] {
  const entries = [
    ...ram.map((range) => ({ ...range, type: E820_TYPE.ram })),
    ...reserved.map(({ base, size }) => ({ base, size, type: E820_TYPE.reserved })),
    ...segments.places.map(({ ecam }) => ({ ...ecam, type: E820_TYPE.reserved })),
  ]
  const view = new DataView(new ArrayBuffer(entries.length * E820_ENTRY.size))
  for (const [index, { base, size, type }] of entries.entries()) {
    const { addr, size: length, type: kind } = E820_ENTRY.fields
    const at = index * E820_ENTRY.size
    addr.number.set(view, at, base)
    length.number.set(view, at, size)
    kind.set(view, at, type)
  }
  return [
    ['etc/e820', wholeFile(new Uint8Array(view.buffer))],
    ...(segments.places.length === 0
      ? []
      : [['etc/reserved-memory-end', wholeFile(littleEndian64(segments.end))] as const]),
  ]
}
