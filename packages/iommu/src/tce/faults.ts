/** Why a request was refused. No register holds it: only observers are told. */
export const TCE_FAULTS = {
  outsideWindows: { value: 1, text: 'address in no DMA window' },
  notMapped: { value: 2, text: 'the TCE grants nothing' },
  notReadable: { value: 3, text: 'the TCE does not grant reading' },
  notWritable: { value: 4, text: 'the TCE does not grant writing' },
} as const satisfies Record<string, { readonly value: number; readonly text: string }>
