import { addr, bits, field, reg64, registers } from '@dmascope/layout'

const SOURCE = 'UltraSPARC-IIi User’s Manual, as Linux psycho_common.c and pci_sabre.c name it'

/** IOMMU Control Register. */
export const IOMMU_CONTROL = bits(64, 'IOMMU Control Register', SOURCE, {
  XLTESTAT: field([26, 25], 'rw', { 0: 'protection', 1: 'invalid', 2: 'timeout', 3: 'ecc' }),
  XLTEERR: 24,
  LCKEN: 23,
  LCKPTR: [22, 19],
  TSBSZ: [18, 16],
  TBWSZ: 2,
  DENAB: 1,
  ENAB: 0,
})

/** TSB Base Address Register. */
export const IOMMU_TSBBASE = bits(64, 'IOMMU TSB Base Address Register', SOURCE, { TSB_BASE: addr(63, 13) })

/** Flush Address Register: the page whose entry is to go. */
export const IOMMU_FLUSH = bits(64, 'IOMMU Flush Address Register', SOURCE, { VPN: addr(31, 13) })

/** Where the IOMMU’s registers begin among those of the bridge. */
export const IOMMU_OFFSET = 0x200

/** The IOMMU’s registers, from `IOMMU_OFFSET` on. They are big-endian: the upper half of each comes first. */
export const SUN4U_IOMMU_REGISTERS = registers('sun4u IOMMU registers', SOURCE, {
  IOMMU_CONTROL: reg64(0x00, 'rw', IOMMU_CONTROL),
  IOMMU_TSBBASE: reg64(0x08, 'rw', IOMMU_TSBBASE),
  IOMMU_FLUSH: reg64(0x10, 'wo', IOMMU_FLUSH),
})

/** Entries of the IOTLB, each with a tag and a data diagnostic register. */
export const IOTLB_ENTRIES = 16

/** Where the diagnostic registers stand among those of the bridge: 8 bytes an entry. */
export const IOMMU_TAG_OFFSET = 0xa580
export const IOMMU_DATA_OFFSET = 0xa600

/** IOTLB tag diagnostic register. */
export const IOMMU_TAG = bits(64, 'IOMMU TLB Tag Diagnostic Register', SOURCE, {
  ERRSTS: field([24, 23], 'rw', { 0: 'protection', 1: 'invalid', 2: 'timeout', 3: 'ecc' }),
  ERR: 22,
  WRITE: 21,
  STREAM: 20,
  SIZE: field(19, 'rw', { 0: '8k', 1: '64k' }),
  VPN: [18, 0],
})

/** IOTLB data diagnostic register. */
export const IOMMU_DATA = bits(64, 'IOMMU TLB Data RAM Diagnostic Register', SOURCE, {
  VALID: 30,
  USED: 29,
  CACHE: 28,
  PPN: [20, 0],
})
