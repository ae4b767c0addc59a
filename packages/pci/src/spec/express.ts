import { bits, field, reg8, reg16, reg32, registers } from '@dmascope/layout'

const SOURCE = 'PCI Express Base 6.0 §7.5.3'

/** Device/Port Type values of the PCI Express Capabilities register. */
export const PCIE_ENDPOINT = 0x0
export const PCIE_LEGACY_ENDPOINT = 0x1
export const PCIE_ROOT_PORT = 0x4
export const PCIE_UPSTREAM_PORT = 0x5
export const PCIE_DOWNSTREAM_PORT = 0x6
export const PCIE_TO_PCI_BRIDGE = 0x7
export const PCI_TO_PCIE_BRIDGE = 0x8
export const PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT = 0x9
export const PCIE_ROOT_COMPLEX_EVENT_COLLECTOR = 0xa

export const PCIE_CAPABILITIES = bits(16, 'PCI Express Capabilities', `${SOURCE}.2`, {
  INTERRUPT_MESSAGE_NUMBER: field([13, 9], 'ro'),
  SLOT_IMPLEMENTED: field(8, 'ro'),
  DEVICE_PORT_TYPE: field([7, 4], 'ro', {
    [PCIE_ENDPOINT]: 'PCI Express Endpoint',
    [PCIE_LEGACY_ENDPOINT]: 'Legacy PCI Express Endpoint',
    [PCIE_ROOT_PORT]: 'Root Port',
    [PCIE_UPSTREAM_PORT]: 'Upstream Port of Switch',
    [PCIE_DOWNSTREAM_PORT]: 'Downstream Port of Switch',
    [PCIE_TO_PCI_BRIDGE]: 'PCI Express to PCI/PCI-X Bridge',
    [PCI_TO_PCIE_BRIDGE]: 'PCI/PCI-X to PCI Express Bridge',
    [PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT]: 'Root Complex Integrated Endpoint',
    [PCIE_ROOT_COMPLEX_EVENT_COLLECTOR]: 'Root Complex Event Collector',
  }),
  CAPABILITY_VERSION: field([3, 0], 'ro'),
})

export const DEVICE_CAPABILITIES = bits(32, 'Device Capabilities', `${SOURCE}.3`, {
  FUNCTION_LEVEL_RESET: field(28, 'ro'),
  ROLE_BASED_ERROR_REPORTING: field(15, 'ro'),
  EXTENDED_TAG_FIELD_SUPPORTED: field(5, 'ro'),
  PHANTOM_FUNCTIONS_SUPPORTED: field([4, 3], 'ro'),
  MAX_PAYLOAD_SIZE_SUPPORTED: field([2, 0], 'ro'),
})

export const DEVICE_CONTROL = bits(16, 'Device Control', `${SOURCE}.4`, {
  INITIATE_FUNCTION_LEVEL_RESET: field(15, 'wo'),
  MAX_READ_REQUEST_SIZE: field([14, 12], 'rw'),
  ENABLE_NO_SNOOP: field(11, 'rw'),
  AUX_POWER_PM_ENABLE: field(10, 'ro'),
  PHANTOM_FUNCTIONS_ENABLE: field(9, 'ro'),
  EXTENDED_TAG_FIELD_ENABLE: field(8, 'rw'),
  MAX_PAYLOAD_SIZE: field([7, 5], 'rw'),
  ENABLE_RELAXED_ORDERING: field(4, 'rw'),
  UNSUPPORTED_REQUEST_REPORTING_ENABLE: field(3, 'rw'),
  FATAL_ERROR_REPORTING_ENABLE: field(2, 'rw'),
  NON_FATAL_ERROR_REPORTING_ENABLE: field(1, 'rw'),
  CORRECTABLE_ERROR_REPORTING_ENABLE: field(0, 'rw'),
})

export const DEVICE_STATUS = bits(16, 'Device Status', `${SOURCE}.5`, {
  TRANSACTIONS_PENDING: field(5, 'ro'),
  AUX_POWER_DETECTED: field(4, 'ro'),
  UNSUPPORTED_REQUEST_DETECTED: field(3, 'rw1c'),
  FATAL_ERROR_DETECTED: field(2, 'rw1c'),
  NON_FATAL_ERROR_DETECTED: field(1, 'rw1c'),
  CORRECTABLE_ERROR_DETECTED: field(0, 'rw1c'),
})

export const LINK_CAPABILITIES = bits(32, 'Link Capabilities', `${SOURCE}.6`, {
  PORT_NUMBER: field([31, 24], 'ro'),
  DATA_LINK_LAYER_LINK_ACTIVE_REPORTING_CAPABLE: field(20, 'ro'),
  ASPM_SUPPORT: field([11, 10], 'ro'),
  MAXIMUM_LINK_WIDTH: field([9, 4], 'ro'),
  MAX_LINK_SPEED: field([3, 0], 'ro'),
})

export const LINK_CONTROL = bits(16, 'Link Control', `${SOURCE}.7`, {
  COMMON_CLOCK_CONFIGURATION: field(6, 'rw'),
  LINK_DISABLE: field(4, 'rw'),
  ASPM_CONTROL: field([1, 0], 'rw'),
})

export const LINK_STATUS = bits(16, 'Link Status', `${SOURCE}.8`, {
  DATA_LINK_LAYER_LINK_ACTIVE: field(13, 'ro'),
  NEGOTIATED_LINK_WIDTH: field([9, 4], 'ro'),
  CURRENT_LINK_SPEED: field([3, 0], 'ro'),
})

export const SLOT_CAPABILITIES = bits(32, 'Slot Capabilities', `${SOURCE}.9`, {
  PHYSICAL_SLOT_NUMBER: field([31, 19], 'ro'),
  HOT_PLUG_CAPABLE: field(6, 'ro'),
})

export const SLOT_STATUS = bits(16, 'Slot Status', `${SOURCE}.11`, {
  DATA_LINK_LAYER_STATE_CHANGED: field(8, 'rw1c'),
  PRESENCE_DETECT_STATE: field(6, 'ro'),
  PRESENCE_DETECT_CHANGED: field(3, 'rw1c'),
})

export const ROOT_CONTROL = bits(16, 'Root Control', `${SOURCE}.12`, {
  PME_INTERRUPT_ENABLE: field(3, 'rw'),
  SYSTEM_ERROR_ON_FATAL_ERROR_ENABLE: field(2, 'rw'),
  SYSTEM_ERROR_ON_NON_FATAL_ERROR_ENABLE: field(1, 'rw'),
  SYSTEM_ERROR_ON_CORRECTABLE_ERROR_ENABLE: field(0, 'rw'),
})

export const DEVICE_CAPABILITIES_2 = bits(32, 'Device Capabilities 2', `${SOURCE}.15`, {
  END_END_TLP_PREFIX_SUPPORTED: field(21, 'ro'),
  ARI_FORWARDING_SUPPORTED: field(5, 'ro'),
})

export const DEVICE_CONTROL_2 = bits(16, 'Device Control 2', `${SOURCE}.16`, {
  END_END_TLP_PREFIX_BLOCKING: field(15, 'rw'),
  ARI_FORWARDING_ENABLE: field(5, 'rw'),
})

/** Version 2 of the capability. Registers that a function of some type has no use for read as zero. */
export const PCIE_CAPABILITY = registers('PCI Express capability', SOURCE, {
  CAP_ID: reg8(0x00, 'ro'),
  NEXT_PTR: reg8(0x01, 'ro'),
  PCIE_CAPABILITIES: reg16(0x02, 'ro', PCIE_CAPABILITIES),
  DEVICE_CAPABILITIES: reg32(0x04, 'ro', DEVICE_CAPABILITIES),
  DEVICE_CONTROL: reg16(0x08, 'ro', DEVICE_CONTROL),
  DEVICE_STATUS: reg16(0x0a, 'ro', DEVICE_STATUS),
  LINK_CAPABILITIES: reg32(0x0c, 'ro', LINK_CAPABILITIES),
  LINK_CONTROL: reg16(0x10, 'ro', LINK_CONTROL),
  LINK_STATUS: reg16(0x12, 'ro', LINK_STATUS),
  SLOT_CAPABILITIES: reg32(0x14, 'ro', SLOT_CAPABILITIES),
  SLOT_CONTROL: reg16(0x18, 'ro'),
  SLOT_STATUS: reg16(0x1a, 'ro', SLOT_STATUS),
  ROOT_CONTROL: reg16(0x1c, 'ro', ROOT_CONTROL),
  ROOT_CAPABILITIES: reg16(0x1e, 'ro'),
  ROOT_STATUS: reg32(0x20, 'ro'),
  DEVICE_CAPABILITIES_2: reg32(0x24, 'ro', DEVICE_CAPABILITIES_2),
  DEVICE_CONTROL_2: reg16(0x28, 'ro', DEVICE_CONTROL_2),
  DEVICE_STATUS_2: reg16(0x2a, 'ro'),
  LINK_CAPABILITIES_2: reg32(0x2c, 'ro'),
  LINK_CONTROL_2: reg16(0x30, 'ro'),
  LINK_STATUS_2: reg16(0x32, 'ro'),
  SLOT_CAPABILITIES_2: reg32(0x34, 'ro'),
  SLOT_CONTROL_2: reg16(0x38, 'ro'),
  SLOT_STATUS_2: reg16(0x3a, 'ro'),
})
