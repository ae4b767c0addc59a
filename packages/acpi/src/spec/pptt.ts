import { bits, field, le16, le32, struct, u8 } from '@dmascope/layout'

const SOURCE = 'ACPI 6.5 §5.2.30'

/** What every processor topology structure starts with. */
export const PPTT_HEAD = struct('Processor Topology Structure', SOURCE, { type: u8, length: u8 })

/** Type 0. References, here and in caches, are offsets from the table's start; 0 is none. */
export const PPTT_PROCESSOR = struct('Processor Hierarchy Node', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  flags: le32,
  parent: le32,
  acpiProcessorId: le32,
  numberOfPrivateResources: le32,
})

export const PPTT_PROCESSOR_FLAGS = bits(32, 'Processor Structure Flags', SOURCE, {
  IDENTICAL_IMPLEMENTATION: 4,
  NODE_IS_A_LEAF: 3,
  PROCESSOR_IS_A_THREAD: 2,
  ACPI_PROCESSOR_ID_VALID: 1,
  PHYSICAL_PACKAGE: 0,
})

/** A structure that belongs to the node alone. */
export const PPTT_PRIVATE_RESOURCE = struct('Private Resource', SOURCE, { reference: le32 })

/** Type 1. The cache ID came with revision 3. */
export const PPTT_CACHE = struct('Cache Type Structure', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  flags: le32,
  nextLevelOfCache: le32,
  size: le32,
  numberOfSets: le32,
  associativity: u8,
  attributes: u8,
  lineSize: le16,
  cacheId: le32,
})

export const PPTT_CACHE_FLAGS = bits(32, 'Cache Structure Flags', SOURCE, {
  CACHE_ID_VALID: 7,
  LINE_SIZE_VALID: 6,
  WRITE_POLICY_VALID: 5,
  CACHE_TYPE_VALID: 4,
  ALLOCATION_TYPE_VALID: 3,
  ASSOCIATIVITY_VALID: 2,
  NUMBER_OF_SETS_VALID: 1,
  SIZE_PROPERTY_VALID: 0,
})

export const PPTT_CACHE_ATTRIBUTES = bits(8, 'Cache Attributes', SOURCE, {
  WRITE_POLICY: field(4, 'ro', { 0: 'write back', 1: 'write through' }),
  CACHE_TYPE: field([3, 2], 'ro', { 0: 'data', 1: 'instruction', 2: 'unified', 3: 'unified' }),
  ALLOCATION_TYPE: field([1, 0], 'ro', { 0: 'read', 1: 'write', 2: 'read and write', 3: 'read and write' }),
})
