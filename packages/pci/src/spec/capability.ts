import { bits, field, reg8, reg32, registers } from '@dmascope/layout'

/** Capability IDs (PCI Code and ID Assignment Specification). */
export const PCI_CAP_ID_PM = 0x01
export const PCI_CAP_ID_SLOT_ID = 0x04
export const PCI_CAP_ID_MSI = 0x05
export const PCI_CAP_ID_PCIX = 0x07
export const PCI_CAP_ID_HT = 0x08
export const PCI_CAP_ID_VENDOR = 0x09
export const PCI_CAP_ID_SHPC = 0x0c
export const PCI_CAP_ID_SSVID = 0x0d
export const PCI_CAP_ID_SECURE_DEVICE = 0x0f
export const PCI_CAP_ID_EXP = 0x10
export const PCI_CAP_ID_MSIX = 0x11
export const PCI_CAP_ID_SATA = 0x12

/** Extended capability IDs. */
export const PCI_EXT_CAP_ID_AER = 0x0001
export const PCI_EXT_CAP_ID_DSN = 0x0003
export const PCI_EXT_CAP_ID_ACS = 0x000d
export const PCI_EXT_CAP_ID_ARI = 0x000e
export const PCI_EXT_CAP_ID_ATS = 0x000f
export const PCI_EXT_CAP_ID_SRIOV = 0x0010
export const PCI_EXT_CAP_ID_PRI = 0x0013
export const PCI_EXT_CAP_ID_PASID = 0x001b

/** The first two bytes of every capability in the 256-byte space. The chain starts at the Capabilities Pointer. */
export const CAPABILITY_HEADER = registers('Capability header', 'PCI Local Bus 3.0 §6.7', {
  CAP_ID: reg8(0, 'ro'),
  NEXT_PTR: reg8(1, 'ro'),
})

/** First word of every extended capability. The chain starts at `PCI_EXT_CAP_START`; an ID of 0 there is an empty one. */
export const EXTENDED_CAPABILITY_HEADER = bits(
  32,
  'PCI Express Extended Capability Header',
  'PCI Express Base 6.0 §7.6.3',
  {
    NEXT_CAPABILITY_OFFSET: field([31, 20], 'ro'),
    CAPABILITY_VERSION: field([19, 16], 'ro'),
    CAPABILITY_ID: field([15, 0], 'ro'),
  },
)
export const PCI_EXT_CAP_START = 0x100

/** Subsystem ID and Subsystem Vendor ID: what a bridge has in place of the type 0 header's fields. */
export const SSVID_CAPABILITY = registers(
  'Subsystem ID capability',
  'PCI Express Base, Subsystem ID and Subsystem Vendor ID Capability',
  {
    CAP_ID: reg8(0, 'ro'),
    NEXT_PTR: reg8(1, 'ro'),
    SSVID_SSID: reg32(4, 'ro'),
  },
)
