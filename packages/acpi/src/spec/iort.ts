import { bits, field, le16, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'ARM DEN 0049E.f'

/** The body of the I/O remapping table, before its nodes. */
export const IORT = struct('IORT', SOURCE, { nodeCount: le32, nodeOffset: le32, reserved: le32 })

/** What every node is known by in the list of nodes. */
export const IORT_NODE_HEAD = struct('IORT Node', SOURCE, { type: u8, length: le16 })

/** What every node starts with. Offsets in a node count from its own first byte. */
const NODE = {
  type: u8,
  length: le16,
  revision: u8,
  /** Unique in the table; reserved before revision 1 of the table. */
  identifier: le32,
  numberOfIdMappings: le32,
  referenceToIdArray: le32,
} as const

/** Input IDs `inputBase` to `inputBase + numberOfIds`, inclusive, leave as `outputBase` and on. */
export const IORT_ID_MAPPING = struct('ID Mapping', SOURCE, {
  inputBase: le32,
  /** One less than how many. */
  numberOfIds: le32,
  outputBase: le32,
  /** Offset from the table's start of the node that the IDs go to. */
  outputReference: le32,
  flags: le32,
})

export const IORT_ID_MAPPING_FLAGS = bits(32, 'Flags', SOURCE, { SINGLE_MAPPING: 0 })

const IORT_MEMORY_ACCESS_PROPERTIES = struct('Memory Access Properties', SOURCE, {
  /** CCA: 1 where the device is fully coherent. */
  cacheCoherent: le32,
  allocationHints: u8,
  reserved: le16,
  memoryAccessFlags: u8,
})

export const IORT_ALLOCATION_HINTS = bits(8, 'Allocation Hints', SOURCE, { TR: 0, WA: 1, RA: 2, AHO: 3 })

export const IORT_MEMORY_ACCESS_FLAGS = bits(8, 'Memory Access Flags', SOURCE, { CPM: 0, DACS: 1, CANWBS: 2 })

/** Node type 0; the identifiers follow. */
export const IORT_ITS_GROUP = struct('ITS Group', SOURCE, { ...NODE, numberOfItss: le32 })
export const IORT_ITS_IDENTIFIER = struct('GIC ITS Identifier', SOURCE, { gicItsIdentifier: le32 })

/** Node type 1; the device's path in the namespace follows, then bytes up to the ID mappings. */
export const IORT_NAMED_COMPONENT = struct('Named Component', SOURCE, {
  ...NODE,
  nodeFlags: le32,
  memoryAccessProperties: IORT_MEMORY_ACCESS_PROPERTIES,
  /** Number of bits of an address. */
  deviceMemoryAddressSizeLimit: u8,
})

export const IORT_NAMED_COMPONENT_FLAGS = bits(32, 'Node Flags', SOURCE, {
  STALL_SUPPORTED: 0,
  SUBSTREAM_ID_WIDTH: [5, 1],
})

/** Node type 2: 32 bytes at first, 36 with a memory address size limit, 40 with PASID flags. */
export const IORT_ROOT_COMPLEX = struct('Root Complex', SOURCE, {
  ...NODE,
  memoryAccessProperties: IORT_MEMORY_ACCESS_PROPERTIES,
  atsAttribute: le32,
  pciSegmentNumber: le32,
  memoryAddressSizeLimit: u8,
  pasidCapabilities: le16,
  reserved: u8,
  flags: le32,
})

export const IORT_ATS_ATTRIBUTE = bits(32, 'ATS Attribute', SOURCE, {
  ATS_SUPPORTED: 0,
  PRI_SUPPORTED: 1,
  PASID_FORWARDING: 2,
})

export const IORT_PASID_CAPABILITIES = bits(16, 'PASID Capabilities', SOURCE, { MAX_PASID_WIDTH: [4, 0] })

/** Node type 3: SMMUv1 or SMMUv2. */
export const IORT_SMMU = struct('SMMUv1 or SMMUv2', SOURCE, {
  ...NODE,
  baseAddress: le64,
  span: le64,
  model: le32,
  flags: le32,
  referenceToGlobalInterruptArray: le32,
  numberOfContextInterrupts: le32,
  referenceToContextInterruptArray: le32,
  numberOfPmuInterrupts: le32,
  referenceToPmuInterruptArray: le32,
})

export const IORT_SMMU_MODEL = {
  0: 'Generic SMMUv1',
  1: 'Generic SMMUv2',
  2: 'CoreLink MMU-400',
  3: 'CoreLink MMU-500',
  4: 'CoreLink MMU-401',
  5: 'Cavium ThunderX SMMUv2',
} as const

export const IORT_SMMU_FLAGS = bits(32, 'Flags', SOURCE, { DVM_SUPPORTED: 0, COHERENT_TABLE_WALK: 1 })

export const IORT_SMMU_GLOBAL_INTERRUPTS = struct('Global Interrupt Array', SOURCE, {
  SMMU_NSgIrpt: le32,
  SMMU_NSgIrptFlags: le32,
  SMMU_NSgCfgIrpt: le32,
  SMMU_NSgCfgIrptFlags: le32,
})

export const IORT_SMMU_INTERRUPT = struct('SMMU Interrupt', SOURCE, { gsiv: le32, interruptFlags: le32 })

export const IORT_SMMU_INTERRUPT_FLAGS = bits(32, 'Interrupt Flags', SOURCE, { EDGE: 0 })

/** Node type 4: 60 bytes at first, 64 with a proximity domain, 68 with the index of the device ID mapping. */
export const IORT_SMMUV3 = struct('SMMUv3', SOURCE, {
  ...NODE,
  baseAddress: le64,
  flags: le32,
  reserved: le32,
  vatosAddress: le64,
  model: le32,
  eventGsiv: le32,
  priGsiv: le32,
  gerrGsiv: le32,
  syncGsiv: le32,
  proximityDomain: le32,
  deviceIdMappingIndex: le32,
})

export const IORT_SMMUV3_MODEL = { 0: 'Generic SMMUv3', 1: 'HiSilicon Hi161x', 2: 'Cavium CN99xx' } as const

export const IORT_SMMUV3_FLAGS = bits(32, 'Flags', SOURCE, {
  COHACC_OVERRIDE: 0,
  HTTU_OVERRIDE: [2, 1],
  PROXIMITY_DOMAIN_VALID: 3,
  DEVICEID_MAPPING_INDEX_VALID: 4,
})

/** Node type 5: 32 bytes at first, 40 with page 1. */
export const IORT_PMCG = struct('PMCG', SOURCE, {
  ...NODE,
  page0BaseAddress: le64,
  overflowInterruptGsiv: le32,
  /** Offset from the table's start of the node that is counted. */
  nodeReference: le32,
  page1BaseAddress: le64,
})

/** Node type 6: reserved memory ranges, which keep their addresses behind the IOMMU. */
export const IORT_RMR = struct('RMR', SOURCE, {
  ...NODE,
  flags: le32,
  numberOfMemoryRangeDescriptors: le32,
  referenceToMemoryRangeDescriptors: le32,
})

export const IORT_RMR_FLAGS = bits(32, 'Flags', SOURCE, {
  REMAPPING_PERMITTED: 0,
  ACCESS_PRIVILEGE: 1,
  ACCESS_ATTRIBUTES: field([9, 2], 'ro', {
    0: 'Device-nGnRnE',
    1: 'Device-nGnRE',
    2: 'Device-nGRE',
    3: 'Device-GRE',
    4: 'Normal-NC',
    5: 'Normal-IWB-OWB',
  }),
})

export const IORT_MEMORY_RANGE_DESCRIPTOR = struct('Memory Range Descriptor', SOURCE, {
  physicalRangeOffset: le64,
  physicalRangeLength: le64,
  reserved: le32,
})

/** Node type 7: an interrupt wire bridge of a GICv5; its path in the namespace follows. */
export const IORT_IWB = struct('IWB', 'ARM DEN 0049E.g', { ...NODE, baseAddress: le64, iwbIndex: le16 })

/** The names of node types. */
export const IORT_NODE_TYPE = {
  0: 'ITS Group',
  1: 'Named Component',
  2: 'Root Complex',
  3: 'SMMUv1 or SMMUv2',
  4: 'SMMUv3',
  5: 'PMCG',
  6: 'RMR',
  7: 'IWB',
} as const
