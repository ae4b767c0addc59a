import { bits, bytes, field, le16, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'ACPI 6.5 §5.2.12'

/** The body of the MADT, before its interrupt controller structures. */
export const MADT = struct('MADT', SOURCE, { localInterruptControllerAddress: le32, flags: le32 })

export const MADT_FLAGS = bits(32, 'Multiple APIC Flags', SOURCE, { PCAT_COMPAT: 0 })

/** What every interrupt controller structure starts with. */
export const MADT_HEAD = struct('Interrupt Controller Structure', SOURCE, { type: u8, length: u8 })

export const MADT_LOCAL_APIC = struct('Processor Local APIC', SOURCE, {
  type: u8,
  length: u8,
  acpiProcessorUid: u8,
  apicId: u8,
  flags: le32,
})

export const MADT_IO_APIC = struct('I/O APIC', SOURCE, {
  type: u8,
  length: u8,
  ioApicId: u8,
  reserved: u8,
  ioApicAddress: le32,
  globalSystemInterruptBase: le32,
})

export const MADT_INTERRUPT_SOURCE_OVERRIDE = struct('Interrupt Source Override', SOURCE, {
  type: u8,
  length: u8,
  bus: u8,
  source: u8,
  globalSystemInterrupt: le32,
  flags: le16,
})

export const MADT_NMI_SOURCE = struct('NMI Source', SOURCE, {
  type: u8,
  length: u8,
  flags: le16,
  globalSystemInterrupt: le32,
})

export const MADT_LOCAL_APIC_NMI = struct('Local APIC NMI', SOURCE, {
  type: u8,
  length: u8,
  acpiProcessorUid: u8,
  flags: le16,
  localApicLint: u8,
})

export const MADT_LOCAL_APIC_ADDRESS_OVERRIDE = struct('Local APIC Address Override', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  localApicAddress: le64,
})

export const MADT_LOCAL_X2APIC = struct('Processor Local x2APIC', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  x2apicId: le32,
  flags: le32,
  acpiProcessorUid: le32,
})

export const MADT_LOCAL_X2APIC_NMI = struct('Local x2APIC NMI', SOURCE, {
  type: u8,
  length: u8,
  flags: le16,
  acpiProcessorUid: le32,
  localX2apicLint: u8,
  reserved: bytes(3),
})

/** The GIC CPU interface as ACPI 5.1 has it, 76 bytes; what ACPI 6.x appended stays raw behind it. */
/** 40 bytes in ACPI 5.0, 76 in 5.1, 80 in 6.0, 82 in 6.5. */
export const MADT_GICC = struct('GIC CPU Interface', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  cpuInterfaceNumber: le32,
  acpiProcessorUid: le32,
  flags: le32,
  parkingProtocolVersion: le32,
  performanceInterruptGsiv: le32,
  parkedAddress: le64,
  physicalBaseAddress: le64,
  gicv: le64,
  gich: le64,
  vgicMaintenanceInterrupt: le32,
  gicrBaseAddress: le64,
  mpidr: le64,
  processorPowerEfficiencyClass: u8,
  reserved_77: u8,
  speOverflowInterrupt: le16,
  trbeInterrupt: le16,
})

/** ACPI 6.5 §5.2.12.14. */
export const MADT_GICC_FLAGS = bits(32, 'Flags', SOURCE, {
  Enabled: 0,
  PERFORMANCE_INTERRUPT_MODE: field(1, 'ro', { 0: 'level', 1: 'edge' }),
  VGIC_MAINTENANCE_INTERRUPT_MODE: field(2, 'ro', { 0: 'level', 1: 'edge' }),
  ONLINE_CAPABLE: 3,
})

export const MADT_GICD = struct('GIC Distributor', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  gicId: le32,
  physicalBaseAddress: le64,
  systemVectorBase: le32,
  gicVersion: u8,
  reserved_21: bytes(3),
})

export const MADT_GIC_MSI_FRAME = struct('GIC MSI Frame', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  gicMsiFrameId: le32,
  physicalBaseAddress: le64,
  flags: le32,
  spiCount: le16,
  spiBase: le16,
})

export const MADT_GICR = struct('GIC Redistributor', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  discoveryRangeBaseAddress: le64,
  discoveryRangeLength: le32,
})

export const MADT_GIC_ITS = struct('GIC Interrupt Translation Service', SOURCE, {
  type: u8,
  length: u8,
  reserved: le16,
  gicItsId: le32,
  physicalBaseAddress: le64,
  reserved_16: le32,
})

export const MADT_LOCAL_APIC_FLAGS = bits(32, 'Local APIC Flags', SOURCE, { ENABLED: 0, ONLINE_CAPABLE: 1 })

export const MPS_INTI_FLAGS = bits(16, 'MPS INTI Flags', SOURCE, {
  POLARITY: field([1, 0], 'ro', { 0: 'conforms', 1: 'active-high', 3: 'active-low' }),
  TRIGGER_MODE: field([3, 2], 'ro', { 0: 'conforms', 1: 'edge', 3: 'level' }),
})
