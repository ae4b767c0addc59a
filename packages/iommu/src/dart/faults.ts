/** Why a request was refused. The exception register that would tell holds nothing here. */
export const DART_FAULTS = {
  outsideTable: { value: 1, text: 'the DART’s table does not reach so far' },
  tableAccess: { value: 2, text: 'the DART’s table is not in memory' },
  notMapped: { value: 3, text: 'the entry of the DART is not valid' },
} as const satisfies Record<string, { readonly value: number; readonly text: string }>

/** The text of a fault's value. */
export const faultText = (value: number): string =>
  Object.values(DART_FAULTS).find((one) => one.value === value)?.text ?? 'refused'
