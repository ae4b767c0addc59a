/** OPAL calls by token (skiboot, opal-api.h). */
export const OPAL = {
  OPAL_PCI_CONFIG_READ_BYTE: 13,
  OPAL_PCI_CONFIG_READ_HALF_WORD: 14,
  OPAL_PCI_CONFIG_READ_WORD: 15,
  OPAL_PCI_CONFIG_WRITE_BYTE: 16,
  OPAL_PCI_CONFIG_WRITE_HALF_WORD: 17,
  OPAL_PCI_CONFIG_WRITE_WORD: 18,
  OPAL_PCI_EEH_FREEZE_STATUS: 23,
  OPAL_PCI_EEH_FREEZE_CLEAR: 26,
  OPAL_PCI_PHB_MMIO_ENABLE: 27,
  OPAL_PCI_SET_PHB_MEM_WINDOW: 28,
  OPAL_PCI_MAP_PE_MMIO_WINDOW: 29,
  OPAL_PCI_SET_PE: 31,
  OPAL_PCI_SET_PELTV: 32,
  OPAL_PCI_SET_XIVE_PE: 37,
  OPAL_GET_MSI_64: 40,
  OPAL_PCI_MAP_PE_DMA_WINDOW: 44,
  OPAL_PCI_MAP_PE_DMA_WINDOW_REAL: 45,
  OPAL_PCI_RESET: 49,
  OPAL_PCI_TCE_KILL: 126,
  OPAL_XIVE_RESET: 128,
  OPAL_XIVE_GET_IRQ_INFO: 129,
  OPAL_XIVE_SET_IRQ_CONFIG: 131,
} as const

/** What calls return. */
export const OPAL_RETURN = {
  OPAL_SUCCESS: 0,
  OPAL_PARAMETER: -1,
  OPAL_HARDWARE: -6,
  OPAL_UNSUPPORTED: -7,
} as const

/** Arguments of OPAL_PCI_TCE_KILL. */
export const TCE_KILL = { PAGES: 0, PE: 1, ALL: 2 } as const
/** Flags that OPAL_XIVE_GET_IRQ_INFO answers. */
export const XIVE_IRQ_LSI = 4
/** Windows of a host bridge in OPAL_PCI_SET_PHB_MEM_WINDOW and its like. */
export const WINDOW_TYPE = { M32: 1, M64: 2 } as const
/** Arguments of OPAL_PCI_SET_PE: how much of a requester ID is compared. */
export const COMPARE_BUS = {
  ANY: 0,
  THREE_BITS: 2,
  FOUR_BITS: 3,
  FIVE_BITS: 4,
  SIX_BITS: 5,
  SEVEN_BITS: 6,
  ALL: 7,
} as const
/** Argument of OPAL_PCI_SET_PE. */
export const MAP_PE = 1
/** What OPAL_PCI_EEH_FREEZE_STATUS answers of an endpoint. */
export const FREEZE = { CLEAR: 0, MMIO: 1, DMA: 2, BOTH: 3 } as const
/** OPAL_PCI_RESET of a bridge's IODA tables, asserted. */
export const RESET_IODA_TABLE = 3
