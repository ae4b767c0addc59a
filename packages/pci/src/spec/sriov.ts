import { bits, field, reg8, reg16, reg32, registers } from '@dmascope/layout'
import { EXTENDED_CAPABILITY_HEADER } from './capability.ts'

const SRIOV = 'PCI Express Base 6.0 §9.3.3'

/** 0x04, 32 bits. */
export const SRIOV_CAPABILITIES = bits(32, 'SR-IOV Capabilities', SRIOV, {
  VF_MIGRATION_INTERRUPT_MESSAGE_NUMBER: field([31, 21], 'ro'),
  ARI_CAPABLE_HIERARCHY_PRESERVED: field(1, 'ro'),
  VF_MIGRATION_CAPABLE: field(0, 'ro'),
})

/** 0x08, 16 bits. */
export const SRIOV_CONTROL = bits(16, 'SR-IOV Control', SRIOV, {
  ARI_CAPABLE_HIERARCHY: field(4, 'rw'),
  VF_MSE: field(3, 'rw'),
  VF_MIGRATION_INTERRUPT_ENABLE: field(2, 'ro'),
  VF_MIGRATION_ENABLE: field(1, 'ro'),
  VF_ENABLE: field(0, 'rw'),
})

/** 0x0a, 16 bits. */
export const SRIOV_STATUS = bits(16, 'SR-IOV Status', SRIOV, { VF_MIGRATION_STATUS: field(0, 'ro') })

/** Page sizes: bit n stands for 4096 << n bytes. Every function has these: 4, 8, 64, 256 KiB, 1 and 4 MiB. */
export const SRIOV_MANDATORY_PAGE_SIZES = 0x553

export const SRIOV_CAPABILITY = registers('SR-IOV extended capability', SRIOV, {
  HEADER: reg32(0x00, 'ro', EXTENDED_CAPABILITY_HEADER),
  SRIOV_CAPABILITIES: reg32(0x04, 'ro', SRIOV_CAPABILITIES),
  SRIOV_CONTROL: reg16(0x08, 'rw', SRIOV_CONTROL),
  SRIOV_STATUS: reg16(0x0a, 'ro', SRIOV_STATUS),
  INITIAL_VFS: reg16(0x0c, 'ro'),
  TOTAL_VFS: reg16(0x0e, 'ro'),
  /** To be written only while VF Enable is clear. */
  NUM_VFS: reg16(0x10, 'rw'),
  FUNCTION_DEPENDENCY_LINK: reg8(0x12, 'ro'),
  FIRST_VF_OFFSET: reg16(0x14, 'ro'),
  VF_STRIDE: reg16(0x16, 'ro'),
  VF_DEVICE_ID: reg16(0x1a, 'ro'),
  SUPPORTED_PAGE_SIZES: reg32(0x1c, 'ro'),
  SYSTEM_PAGE_SIZE: reg32(0x20, 'rw'),
  VF_BAR0: reg32(0x24, 'ro'),
  VF_BAR1: reg32(0x28, 'ro'),
  VF_BAR2: reg32(0x2c, 'ro'),
  VF_BAR3: reg32(0x30, 'ro'),
  VF_BAR4: reg32(0x34, 'ro'),
  VF_BAR5: reg32(0x38, 'ro'),
  VF_MIGRATION_STATE_ARRAY_OFFSET: reg32(0x3c, 'ro'),
})
