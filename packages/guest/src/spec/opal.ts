/** OPAL calls by token, as Linux makes them (opal-api.h). */
export const OPAL_PCI_CONFIG_READ = { 1: 13, 2: 14, 4: 15 } as const
export const OPAL_PCI_CONFIG_WRITE = { 1: 16, 2: 17, 4: 18 } as const
export const OPAL_PCI_EEH_FREEZE_STATUS = 23
export const OPAL_PCI_EEH_FREEZE_CLEAR = 26
export const OPAL_PCI_PHB_MMIO_ENABLE = 27
export const OPAL_PCI_SET_PHB_MEM_WINDOW = 28
export const OPAL_PCI_MAP_PE_MMIO_WINDOW = 29
export const OPAL_PCI_SET_PE = 31
export const OPAL_PCI_SET_PELTV = 32
export const OPAL_PCI_SET_XIVE_PE = 37
export const OPAL_GET_MSI_64 = 40
export const OPAL_PCI_MAP_PE_DMA_WINDOW = 44
export const OPAL_PCI_MAP_PE_DMA_WINDOW_REAL = 45
export const OPAL_PCI_RESET = 49
export const OPAL_PCI_TCE_KILL = 126
export const OPAL_XIVE_RESET = 128
export const OPAL_XIVE_GET_IRQ_INFO = 129
export const OPAL_XIVE_SET_IRQ_CONFIG = 131

/** Arguments of these calls. */
export const RESET_PCI_IODA_TABLE = 3
export const ASSERT_RESET = 1
export const M32_WINDOW = 1
export const M64_WINDOW = 2
export const ENABLE_M64_SPLIT = 1
export const MAP_PE = 1
export const BUS_ALL = 7
export const ADD_PE_TO_DOMAIN = 1
export const TCE_KILL_PAGES = 0
export const TCE_KILL_PE = 1
export const CLEAR_FREEZE_ALL = 3
export const XIVE_MODE_EXPLOITATION = 1

/** The priority that Linux gives all interrupts under XIVE without a hypervisor. */
export const NATIVE_PRIORITY = 7

/** Bus addresses of windows that let addresses through begin here: 2^59. */
export const BYPASS_HI = 0x0800_0000
