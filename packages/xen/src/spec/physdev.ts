import { bits, bytes, field, le16, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'Xen public/physdev.h, x86-64'

/** Commands of `physdev_op`. */
export const PHYSDEVOP = {
  irq_status_query: 5,
  eoi: 12,
  map_pirq: 13,
  unmap_pirq: 14,
  setup_gsi: 21,
  pci_device_add: 25,
} as const

/** `physdev_map_pirq.type`. */
export const MAP_PIRQ_TYPE = { MSI: 0, GSI: 1, MSI_SEG: 3 } as const

export const PHYSDEV_MAP_PIRQ = struct('physdev_map_pirq', SOURCE, {
  domid: le16,
  gap_02: bytes(2),
  type: le32,
  /** Of a GSI: its number. */
  index: le32,
  /** All ones: any. Then the one that it is. */
  pirq: le32,
  /** Segment in the upper half. */
  bus: le32,
  devfn: le32,
  /** Of MSI-X: which entry. */
  entry_nr: le32,
  gap_1c: bytes(4),
  /** Of MSI-X: address of the BAR that holds the table; 0 for MSI. */
  table_base: le64,
})

export const PHYSDEV_UNMAP_PIRQ = struct('physdev_unmap_pirq', SOURCE, { domid: le16, gap_02: bytes(2), pirq: le32 })

export const PHYSDEV_SETUP_GSI = struct('physdev_setup_gsi', SOURCE, {
  gsi: le32,
  /** 0 edge, 1 level. */
  triggering: u8,
  /** 0 active high, 1 active low. */
  polarity: u8,
  gap_06: bytes(2),
})

export const PHYSDEV_EOI = struct('physdev_eoi', SOURCE, { irq: le32 })

export const PHYSDEV_IRQ_STATUS_QUERY = struct('physdev_irq_status_query', SOURCE, { irq: le32, flags: le32 })

export const XENIRQSTAT = bits(32, 'XENIRQSTAT', SOURCE, {
  shared: field(1, 'ro'),
  needs_eoi: field(0, 'ro'),
})

/** The part without options. */
export const PHYSDEV_PCI_DEVICE_ADD = struct('physdev_pci_device_add', SOURCE, {
  seg: le16,
  bus: u8,
  devfn: u8,
  flags: le32,
  physfn_bus: u8,
  physfn_devfn: u8,
  gap_0a: bytes(2),
})
