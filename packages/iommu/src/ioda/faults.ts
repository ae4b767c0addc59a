/** Why a request was refused. Of these, registers hold no more than that the endpoint is frozen, where it is. */
export const IODA_FAULTS = {
  frozen: { value: 1, text: 'the partitionable endpoint is frozen' },
  noWindow: { value: 2, text: 'the endpoint has no such DMA window' },
  badWindow: { value: 3, text: 'the window’s TVE has too many levels' },
  outsideWindow: { value: 4, text: 'address outside of the untranslated window' },
  unsupportedAddress: { value: 5, text: 'no window is at this address' },
  tableAccess: { value: 6, text: 'the TCE table is not in memory' },
  noTable: { value: 7, text: 'the TCE leads to no further table' },
  notMapped: { value: 8, text: 'the TCE grants nothing' },
  notReadable: { value: 9, text: 'the TCE does not grant reading' },
  notWritable: { value: 10, text: 'the TCE does not grant writing' },
} as const satisfies Record<string, { readonly value: number; readonly text: string }>

/** The text of a fault's value. */
export const faultText = (value: number): string =>
  Object.values(IODA_FAULTS).find((one) => one.value === value)?.text ?? 'refused'
