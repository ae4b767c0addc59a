import { be16, be32, be64, bits, bytes, struct } from '@dmascope/layout'

const SOURCE = 'QEMU specification of fw_cfg'

/** Ports of the firmware configuration device on a PC. */
export const FW_CFG_PORT_SEL = 0x510
export const FW_CFG_PORT_DATA = 0x511
export const FW_CFG_PORT_DMA_HIGH = 0x514
export const FW_CFG_PORT_DMA_LOW = 0x518

/** Keys of items that have no name. */
export const FW_CFG_KEY = {
  SIGNATURE: 0x0000,
  ID: 0x0001,
  RAM_SIZE: 0x0003,
  NB_CPUS: 0x0005,
  CMDLINE_SIZE: 0x0014,
  CMDLINE_DATA: 0x0015,
  FILE_DIR: 0x0019,
} as const

export const FW_CFG_SIGNATURE = 'QEMU'

/** What item `ID` says: which interfaces there are. */
export const FW_CFG_ID = bits(32, 'FW_CFG_ID', SOURCE, { DMA: 1, TRADITIONAL: 0 })

/** An entry of the file directory, which starts with a be32 count. */
export const FW_CFG_FILE = struct('FWCfgFile', SOURCE, { size: be32, select: be16, reserved: be16, name: bytes(56) })

/** A request of the DMA interface, in guest memory. */
export const FW_CFG_DMA_ACCESS = struct('FWCfgDmaAccess', SOURCE, { control: be32, length: be32, address: be64 })

export const FW_CFG_DMA_CONTROL = bits(32, 'control', SOURCE, {
  KEY: [31, 16],
  WRITE: 4,
  SELECT: 3,
  SKIP: 2,
  READ: 1,
  ERROR: 0,
})

/** Files that firmware looks for. */
export const FW_CFG_NAME = {
  E820: 'etc/e820',
  ACPI_RSDP: 'etc/acpi/rsdp',
  TABLE_LOADER: 'etc/table-loader',
  EXTRA_ROOTS: 'etc/extra-pci-roots',
  RESERVED_MEMORY_END: 'etc/reserved-memory-end',
} as const
