import {
  CONTEXT_CACHE_DESCRIPTOR,
  DESCRIPTOR_TYPE,
  DEVICE_TLB_DESCRIPTOR,
  DEVICE_TLB_DESCRIPTOR_HIGH,
  INTERRUPT_ENTRY_CACHE_DESCRIPTOR,
  IOTLB_DESCRIPTOR,
  IOTLB_DESCRIPTOR_HIGH,
  WAIT_DESCRIPTOR,
  WAIT_DESCRIPTOR_HIGH,
} from './spec/invalidation.ts'
import {
  PASID_CACHE_DESCRIPTOR,
  PASID_DEVICE_TLB_DESCRIPTOR,
  PASID_DEVICE_TLB_DESCRIPTOR_HIGH,
  PASID_IOTLB_DESCRIPTOR,
  PASID_IOTLB_DESCRIPTOR_HIGH,
} from './spec/scalable-invalidation.ts'

/** Which bits of the four words a descriptor's fields cover; the others are reserved. */
const reservedOf = (low: { readonly fields: object }, high?: { readonly fields: object }): readonly number[] => {
  const words = [0, 0, 0, 0]
  const cover = (at: number, from: { readonly fields: object }): void => {
    for (const field of Object.values(from.fields) as { readonly loMask: number; readonly hiMask: number }[]) {
      words[at] = words[at]! | field.loMask
      words[at + 1] = words[at + 1]! | field.hiMask
    }
  }
  cover(0, low)
  if (high !== undefined) cover(2, high)
  return words.map((covered) => ~covered | 0)
}
const also = (words: readonly number[], low: number, high: number): readonly number[] =>
  words.map((word, at) => (at === 0 ? word | low : at === 1 ? word | high : word))
const { PD } = WAIT_DESCRIPTOR.fields
const { PFSID_3_0, PFSID_15_4 } = DEVICE_TLB_DESCRIPTOR.fields
// ECAP.PDS and ECAP.DIT are clear, which reserves PD and PFSID.
/** Reserved bits of the lower four words of each type of descriptor. */
export const RESERVED: Readonly<Record<number, readonly number[]>> = {
  [DESCRIPTOR_TYPE.contextCache]: reservedOf(CONTEXT_CACHE_DESCRIPTOR),
  [DESCRIPTOR_TYPE.iotlb]: reservedOf(IOTLB_DESCRIPTOR, IOTLB_DESCRIPTOR_HIGH),
  [DESCRIPTOR_TYPE.deviceTlb]: also(
    reservedOf(DEVICE_TLB_DESCRIPTOR, DEVICE_TLB_DESCRIPTOR_HIGH),
    PFSID_3_0.loMask,
    PFSID_15_4.hiMask,
  ),
  [DESCRIPTOR_TYPE.interruptEntryCache]: reservedOf(INTERRUPT_ENTRY_CACHE_DESCRIPTOR),
  [DESCRIPTOR_TYPE.wait]: also(reservedOf(WAIT_DESCRIPTOR, WAIT_DESCRIPTOR_HIGH), PD.loMask, 0),
  [DESCRIPTOR_TYPE.pasidIotlb]: reservedOf(PASID_IOTLB_DESCRIPTOR, PASID_IOTLB_DESCRIPTOR_HIGH),
  [DESCRIPTOR_TYPE.pasidCache]: reservedOf(PASID_CACHE_DESCRIPTOR),
  [DESCRIPTOR_TYPE.pasidDeviceTlb]: also(
    reservedOf(PASID_DEVICE_TLB_DESCRIPTOR, PASID_DEVICE_TLB_DESCRIPTOR_HIGH),
    PASID_DEVICE_TLB_DESCRIPTOR.fields.PFSID_3_0.loMask,
    PASID_DEVICE_TLB_DESCRIPTOR.fields.PFSID_15_4.hiMask,
  ),
}
/** Whether descriptors of this type belong to scalable mode. */
export const isOfPasids = (type: number): boolean =>
  type === DESCRIPTOR_TYPE.pasidIotlb || type === DESCRIPTOR_TYPE.pasidCache || type === DESCRIPTOR_TYPE.pasidDeviceTlb

/** With S set, the lowest clear address bit from 12 up tells the size: 8 KiB for bit 12, and so on; none: all. */
export function log2RangeOf(hi: number, lo: number): number {
  for (let bit = 12; bit < 63; bit++) {
    const word = bit < 32 ? lo : hi
    if (((word >>> (bit & 31)) & 1) === 0) return bit + 1
  }
  return 64
}
