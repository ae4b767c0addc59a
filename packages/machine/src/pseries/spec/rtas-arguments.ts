/**
 * What an RTAS call finds in memory (LoPAPR §7.2.7): big-endian cells. The token, the number of arguments, the number of
 * results, then the arguments, then room for the results.
 */
export const RTAS_ARGUMENTS = { TOKEN: 0, NARGS: 4, NRET: 8, ARGS: 12 } as const

/** Arguments and results together, at most. */
export const MOST_RTAS_CELLS = 16

/** The function argument of ibm,change-msi, and the type that it answers (LoPAPR §7.3.10.5.1). */
export const CHANGE_MSI = { RELEASE_OR_ANY: 1, MSI: 3, MSIX: 4 } as const
export const INTERRUPT_TYPE = { MSI: 1, MSIX: 2 } as const
