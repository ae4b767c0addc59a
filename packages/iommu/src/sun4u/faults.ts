/**
 * Why a request was refused. `status` is what IOMMU_CONTROL.XLTESTAT and the tag of the IOTLB’s entry then hold; null
 * where the IOMMU takes no part in it.
 */
export const SUN4U_FAULTS = {
  notValid: { value: 1, status: 1, text: 'the TSB entry is not valid' },
  notWritable: { value: 2, status: 0, text: 'the TSB entry does not grant writing' },
  noSuchTable: { value: 3, status: 1, text: 'there is no TSB of this size for pages of 64 KiB' },
  tableAccess: { value: 4, status: 2, text: 'the TSB is not in memory' },
  unclaimed: { value: 5, status: null, text: 'the host bridge answers no such address' },
} as const satisfies Record<string, { readonly value: number; readonly status: number | null; readonly text: string }>

/** What is known of a fault’s value; null where it is none of the unit’s. */
export const faultOf = (value: number): { readonly status: number | null; readonly text: string } | null =>
  Object.values(SUN4U_FAULTS).find((one) => one.value === value) ?? null
