import type { DtNode } from '../node.ts'

/** An entry of `iommu-map` or `msi-map`: IDs [inputBase, inputBase + length) become those from outputBase on. */
export interface IdMapEntry {
  readonly inputBase: number
  /** Of the IOMMU or the MSI controller. */
  readonly phandle: number
  readonly outputBase: number
  readonly length: number
}

/** A map of requester IDs. */
export interface IdMap {
  readonly entries: readonly IdMapEntry[]
  /** What an ID is ANDed with first: all ones where no mask stands. */
  readonly mask: number
  /** Why Linux takes nothing from it; null where it does. */
  readonly problem: string | null
}

export type IdMapName = 'iommu-map' | 'msi-map'

const CELLS = 4
const ALL_IDS = 0xffff_ffff

/** The map on a node, as the bindings pci-iommu and pci-msi have it; null where there is none. */
export function parseIdMap(node: DtNode, name: IdMapName): IdMap | null {
  const made = node.property(name)
  if (made === undefined) return null
  const mask = node.cell(`${name}-mask`) ?? ALL_IDS
  const entries: IdMapEntry[] = []
  for (let at = 0; at + CELLS <= made.cellCount; at += CELLS) {
    entries.push({
      inputBase: made.cell(at)!,
      phandle: made.cell(at + 1)!,
      outputBase: made.cell(at + 2)!,
      length: made.cell(at + 3)!,
    })
  }
  return { entries, mask, problem: problemOf(made.length, entries, mask) }
}

function problemOf(bytes: number, entries: readonly IdMapEntry[], mask: number): string | null {
  if (bytes === 0 || bytes % (CELLS * 4) !== 0) return `${bytes} bytes are no whole number of entries of 16`
  const outside = entries.find(({ inputBase }) => (inputBase & ~mask) !== 0)
  if (outside === undefined) return null
  return `the base 0x${outside.inputBase.toString(16)} has bits outside the mask 0x${mask.toString(16)}`
}

/**
 * Where an ID goes: the first entry that has it. Null where none does: the device is not behind anything.
 *
 * What stands before an entry whose base is outside the mask still counts, as in Linux.
 */
export function mapId({ entries, mask, problem }: IdMap, id: number): { phandle: number; id: number } | null {
  if (entries.length === 0 || problem?.includes('bytes')) return null
  const masked = (id & mask) >>> 0
  for (const { inputBase, phandle, outputBase, length } of entries) {
    if ((inputBase & ~mask) !== 0) return null
    if (masked >= inputBase && masked - inputBase < length) {
      return { phandle, id: (masked - inputBase + outputBase) >>> 0 }
    }
  }
  return null
}

/** Cells of a map. */
export const buildIdMap = (entries: readonly IdMapEntry[]): number[] =>
  entries.flatMap(({ inputBase, phandle, outputBase, length }) => [inputBase, phandle, outputBase, length])

/**
 * The entries that send every requester ID but some to themselves at one IOMMU: so QEMU leaves a virtio-iommu or a
 * RISC-V IOMMU out of its own map.
 */
export function identityMapExcept(phandle: number, excluded: readonly number[], end = 0x1_0000): IdMapEntry[] {
  const entries: IdMapEntry[] = []
  let base = 0
  for (const id of [...excluded, end].sort((a, b) => a - b)) {
    if (id > end) break
    if (id > base) entries.push({ inputBase: base, phandle, outputBase: base, length: id - base })
    base = Math.max(base, id + 1)
  }
  return entries
}
