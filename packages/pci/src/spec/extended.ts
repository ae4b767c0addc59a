import { bits, field, reg16, reg32, registers } from '@dmascope/layout'
import { EXTENDED_CAPABILITY_HEADER } from './capability.ts'

const header = () => reg32(0x00, 'ro', EXTENDED_CAPABILITY_HEADER)

const ACS_FIELDS = (access: 'ro' | 'rw') =>
  ({
    DIRECT_TRANSLATED_P2P: field(6, access),
    P2P_EGRESS_CONTROL: field(5, 'ro'),
    UPSTREAM_FORWARDING: field(4, access),
    P2P_COMPLETION_REDIRECT: field(3, access),
    P2P_REQUEST_REDIRECT: field(2, access),
    TRANSLATION_BLOCKING: field(1, access),
    SOURCE_VALIDATION: field(0, access),
  }) as const

const ACS = 'PCI Express Base, Access Control Services extended capability'
export const ACS_CAPABILITY_REGISTER = bits(16, 'ACS Capability', ACS, ACS_FIELDS('ro'))
/** Of these, only bits whose capability bit is set can be set. */
export const ACS_CONTROL_REGISTER = bits(16, 'ACS Control', ACS, ACS_FIELDS('rw'))
export const ACS_CAPABILITY = registers('ACS extended capability', ACS, {
  HEADER: header(),
  ACS_CAPABILITY: reg16(0x04, 'ro', ACS_CAPABILITY_REGISTER),
  ACS_CONTROL: reg16(0x06, 'ro', ACS_CONTROL_REGISTER),
})

const ATS = 'PCI Express Base 6.0 §10.5.1'
export const ATS_CAPABILITY_REGISTER = bits(16, 'ATS Capability', ATS, {
  GLOBAL_INVALIDATE_SUPPORTED: field(6, 'ro'),
  PAGE_ALIGNED_REQUEST: field(5, 'ro'),
  INVALIDATE_QUEUE_DEPTH: field([4, 0], 'ro'),
})
export const ATS_CONTROL_REGISTER = bits(16, 'ATS Control', ATS, {
  ENABLE: field(15, 'rw'),
  SMALLEST_TRANSLATION_UNIT: field([4, 0], 'rw'),
})
export const ATS_CAPABILITY = registers('ATS extended capability', ATS, {
  HEADER: header(),
  ATS_CAPABILITY: reg16(0x04, 'ro', ATS_CAPABILITY_REGISTER),
  ATS_CONTROL: reg16(0x06, 'ro', ATS_CONTROL_REGISTER),
})

const ARI = 'PCI Express Base, Alternative Routing-ID Interpretation extended capability'
export const ARI_CAPABILITY_REGISTER = bits(16, 'ARI Capability', ARI, {
  NEXT_FUNCTION_NUMBER: field([15, 8], 'ro'),
  ACS_FUNCTION_GROUPS_CAPABILITY: field(1, 'ro'),
  MFVC_FUNCTION_GROUPS_CAPABILITY: field(0, 'ro'),
})
export const ARI_CAPABILITY = registers('ARI extended capability', ARI, {
  HEADER: header(),
  ARI_CAPABILITY: reg16(0x04, 'ro', ARI_CAPABILITY_REGISTER),
  ARI_CONTROL: reg16(0x06, 'ro'),
})

const AER = 'PCI Express Base 6.0 §7.8.4'
const uncorrectable = (access: 'rw' | 'rw1c') =>
  ({
    UNSUPPORTED_REQUEST: field(20, access),
    ECRC_ERROR: field(19, access),
    MALFORMED_TLP: field(18, access),
    RECEIVER_OVERFLOW: field(17, access),
    UNEXPECTED_COMPLETION: field(16, access),
    COMPLETER_ABORT: field(15, access),
    COMPLETION_TIMEOUT: field(14, access),
    FLOW_CONTROL_PROTOCOL_ERROR: field(13, access),
    POISONED_TLP_RECEIVED: field(12, access),
    SURPRISE_DOWN_ERROR: field(5, access),
    DATA_LINK_PROTOCOL_ERROR: field(4, access),
  }) as const
export const UNCORRECTABLE_ERROR_STATUS = bits(32, 'Uncorrectable Error Status', AER, uncorrectable('rw1c'))
export const UNCORRECTABLE_ERROR_MASK = bits(32, 'Uncorrectable Error Mask, Severity', AER, uncorrectable('rw'))
const correctable = (access: 'rw' | 'rw1c') =>
  ({
    ADVISORY_NON_FATAL_ERROR: field(13, access),
    REPLAY_TIMER_TIMEOUT: field(12, access),
    REPLAY_NUM_ROLLOVER: field(8, access),
    BAD_DLLP: field(7, access),
    BAD_TLP: field(6, access),
    RECEIVER_ERROR: field(0, access),
  }) as const
export const CORRECTABLE_ERROR_STATUS = bits(32, 'Correctable Error Status', AER, correctable('rw1c'))
export const CORRECTABLE_ERROR_MASK = bits(32, 'Correctable Error Mask', AER, correctable('rw'))
export const AER_CAPABILITY = registers('Advanced Error Reporting extended capability', AER, {
  HEADER: header(),
  UNCORRECTABLE_ERROR_STATUS: reg32(0x04, 'ro', UNCORRECTABLE_ERROR_STATUS),
  UNCORRECTABLE_ERROR_MASK: reg32(0x08, 'ro', UNCORRECTABLE_ERROR_MASK),
  UNCORRECTABLE_ERROR_SEVERITY: reg32(0x0c, 'ro', UNCORRECTABLE_ERROR_MASK, 0x0006_2030),
  CORRECTABLE_ERROR_STATUS: reg32(0x10, 'ro', CORRECTABLE_ERROR_STATUS),
  CORRECTABLE_ERROR_MASK: reg32(0x14, 'ro', CORRECTABLE_ERROR_MASK, 0x0000_2000),
  CAPABILITIES_AND_CONTROL: reg32(0x18, 'ro'),
  HEADER_LOG_0: reg32(0x1c, 'ro'),
  HEADER_LOG_1: reg32(0x20, 'ro'),
  HEADER_LOG_2: reg32(0x24, 'ro'),
  HEADER_LOG_3: reg32(0x28, 'ro'),
  ROOT_ERROR_COMMAND: reg32(0x2c, 'ro'),
  ROOT_ERROR_STATUS: reg32(0x30, 'ro'),
  ERROR_SOURCE_IDENTIFICATION: reg32(0x34, 'ro'),
})
