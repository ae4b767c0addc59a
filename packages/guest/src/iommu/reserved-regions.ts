import { MESSAGE_RANGE } from './plain-interrupts.ts'

/** I/O virtual addresses [start, end) that are not for the allocator. */
export interface ReservedRegion {
  readonly start: number
  readonly end: number
  /** `direct`: mapped onto itself in translated domains. `msi`: interrupts. `window`: peers' BARs. */
  readonly kind: 'direct' | 'msi' | 'window'
  readonly because: string
}

/** Where DMA is taken for interrupts, on every PC. */
export const MSI_REGION: ReservedRegion = {
  ...MESSAGE_RANGE,
  kind: 'msi',
  because: 'the interrupt address range',
}

/** Ascending, and merged where they touch or overlap. */
export function mergeRegions(regions: readonly { readonly start: number; readonly end: number }[]): {
  start: number
  end: number
}[] {
  const merged: { start: number; end: number }[] = []
  for (const { start, end } of [...regions].sort((a, b) => a.start - b.start)) {
    const last = merged[merged.length - 1]
    if (last && start <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  return merged
}
