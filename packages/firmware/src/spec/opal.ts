/** OPAL calls of configuration space, by token (skiboot, opal-api.h): bytes, half words, words. */
export const OPAL_PCI_CONFIG_READ = { 1: 13, 2: 14, 4: 15 } as const
export const OPAL_PCI_CONFIG_WRITE = { 1: 16, 2: 17, 4: 18 } as const

/** What skiboot keeps of memory for itself, from here on, and where in it the kernel's tree goes. */
export const SKIBOOT_BASE = 0x3000_0000
export const SKIBOOT_TREE = 0x3068_0000
