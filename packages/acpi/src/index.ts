export type { AnnotatedLine } from '@dmascope/layout'
export * as aml from './aml/encode.ts'
export { externalFacingPort, type RootFunction } from './aml/external-ports.ts'
export { type AcpiDevice, findAcpiDevices } from './aml/find-devices.ts'
export {
  buildTerms,
  definitionBlock,
  type HostBridgeDescription,
  hostBridge,
  interruptLink,
  type PciRouteDescription,
  routingTable,
} from './aml/host-bridge.ts'
export type { PciRoute } from './aml/pci-route.ts'
export { findHostBridges, findPciRouting, type HostBridge } from './aml/pci-routing.ts'
export type { ReadConfig } from './aml/region-fields.ts'
export {
  busNumbers,
  fixedMemory,
  type InterruptNature,
  interrupts,
  isaInterrupt,
  memoryWindow,
  ports,
  portWindow,
  type ResourceRange,
  type Resources,
  readResources,
  resourceTemplate,
  wideMemoryWindow,
} from './aml/resources.ts'
export { printLines } from './annotate.ts'
export { checksum } from './checksum.ts'
export { buildDbg2, type Dbg2, type Dbg2Device, formatDbg2, parseDbg2 } from './dbg2.ts'
export {
  buildDefinitionBlock,
  type DefinitionBlock,
  formatDefinitionBlock,
  parseDefinitionBlock,
} from './definition-block.ts'
export {
  type Andd,
  type Atsr,
  buildDmar,
  type DeviceScope,
  type DeviceScopeKind,
  type DeviceScopeRecord,
  type Dmar,
  type DmarRecord,
  type Drhd,
  formatDmar,
  parseDmar,
  type Rhsa,
  type Rmrr,
  type Satc,
  type ScopePath,
  type Sidp,
} from './dmar.ts'
export { buildFacs, type Facs, formatFacs, parseFacs } from './facs.ts'
export { buildFadt, dsdtAddressOf, type Fadt, formatFadt, type GenericAddress, ioAddress, parseFadt } from './fadt.ts'
export {
  buildGtdt,
  formatGtdt,
  type Gtdt,
  type GtdtGtBlock,
  type GtdtPlatformTimer,
  type GtdtWatchdog,
  parseGtdt,
} from './gtdt.ts'
export { fromHex, toHex } from './hex.ts'
export { buildHpet, formatHpet, type Hpet, parseHpet } from './hpet.ts'
export {
  buildIort,
  formatIort,
  type Iort,
  type IortIdMapping,
  type IortItsGroup,
  type IortIwb,
  type IortMemoryRange,
  type IortNamedComponent,
  type IortNode,
  type IortPmcg,
  type IortRmr,
  type IortRootComplex,
  type IortSmmu,
  type IortSmmuGlobalInterrupts,
  type IortSmmuInterrupt,
  type IortSmmuv3,
  iortNodeOffsets,
  parseIort,
} from './iort.ts'
export {
  buildIvrs,
  formatIvrs,
  type Ivhd,
  type Ivhd10h,
  type Ivhd11h,
  type Ivhd40h,
  type IvhdAcpiHid,
  type IvhdAlias,
  type IvhdDevice,
  type IvhdEntry,
  type IvhdExtended,
  type IvhdPadding,
  type IvhdSpecial,
  type Ivmd,
  type Ivrs,
  type IvrsBlock,
  isIvhd,
  isIvmd,
  parseIvrs,
  type UnknownIvrsBlock,
} from './ivrs.ts'
export { buildLoaderScript, type LoaderCommand, parseLoaderScript } from './loader-script.ts'
export {
  buildMadt,
  formatMadt,
  type Madt,
  type MadtGicc,
  type MadtGicd,
  type MadtGicIts,
  type MadtGicMsiFrame,
  type MadtGicr,
  type MadtInterruptSourceOverride,
  type MadtIoApic,
  type MadtLocalApic,
  type MadtLocalApicAddressOverride,
  type MadtLocalApicNmi,
  type MadtLocalX2apic,
  type MadtLocalX2apicNmi,
  type MadtNmiSource,
  type MadtRecord,
  parseMadt,
} from './madt.ts'
export { buildMcfg, formatMcfg, type Mcfg, type McfgAllocation, parseMcfg } from './mcfg.ts'
export {
  buildMpConfiguration,
  buildMpFloatingPointer,
  type MpConfiguration,
  type MpEntry,
  type MpInterrupt,
  parseMpConfiguration,
  parseMpFloatingPointer,
} from './mp-table.ts'
export {
  buildPptt,
  formatPptt,
  PPTT_FIRST,
  type Pptt,
  type PpttCache,
  type PpttProcessor,
  type PpttRecord,
  parsePptt,
} from './pptt.ts'
export type { Problem, ProblemCode, TableLocation } from './problem.ts'
export { buildRawTable, formatRawTable, parseRawTable, type RawTable } from './raw-table.ts'
export type { UnknownRecord } from './records.ts'
export {
  buildRsdt,
  buildXsdt,
  formatRsdt,
  formatXsdt,
  parseRsdt,
  parseXsdt,
  type Rsdt,
  type Xsdt,
} from './root-tables.ts'
export { buildRsdp, formatRsdp, parseRsdp, RSDP_SIGNATURE, type Rsdp } from './rsdp.ts'
export { HEADER_SIZE, type ParsedTable, type SdtHeader, sdtHeader, tableSignature } from './sdt-header.ts'
export { buildSpcr, formatSpcr, parseSpcr, type Spcr } from './spcr.ts'
export {
  BOOT_FLAG,
  BOOT_HEADER_MAGIC,
  BOOT_LOADFLAGS,
  BOOT_PARAMS,
  BOOT_PARAMS_ADDRESS,
  E820_ENTRY,
  E820_MAX_ENTRIES,
  E820_TYPE,
} from './spec/boot-params.ts'
export {
  ANDD,
  ATSR,
  ATSR_FLAGS,
  DEVICE_SCOPE,
  DEVICE_SCOPE_FLAGS,
  DEVICE_SCOPE_PATH,
  DMAR,
  DMAR_FLAGS,
  DRHD,
  DRHD_FLAGS,
  REMAPPING_STRUCTURE,
  RHSA,
  RMRR,
  SATC,
  SATC_FLAGS,
  SIDP,
} from './spec/dmar.ts'
export { FADT_ARM_BOOT_ARCH, FADT_FLAGS, FADT_IAPC_BOOT_ARCH, FADT_LENGTH } from './spec/fadt.ts'
export { DESCRIPTION_HEADER, GENERIC_ADDRESS_STRUCTURE, RSDP, RSDP_1_0 } from './spec/header.ts'
export {
  IORT_ALLOCATION_HINTS,
  IORT_ATS_ATTRIBUTE,
  IORT_ID_MAPPING_FLAGS,
  IORT_MEMORY_ACCESS_FLAGS,
  IORT_NAMED_COMPONENT_FLAGS,
  IORT_PASID_CAPABILITIES,
  IORT_RMR_FLAGS,
  IORT_SMMU_FLAGS,
  IORT_SMMU_INTERRUPT_FLAGS,
  IORT_SMMUV3_FLAGS,
} from './spec/iort.ts'
export {
  IVHD_10H_FLAGS,
  IVHD_DTE_SETTING,
  IVHD_EXTENDED_DTE_SETTING,
  IVHD_FLAGS,
  IVHD_IOMMU_ATTRIBUTES,
  IVHD_IOMMU_FEATURE_REPORTING,
  IVHD_IOMMU_INFO,
  IVHD_VARIETY,
  IVMD_FLAGS,
  IVRS_IVINFO,
} from './spec/ivrs.ts'
export { MADT_FLAGS, MADT_LOCAL_APIC_FLAGS, MPS_INTI_FLAGS } from './spec/madt.ts'
export { HPET_EVENT_TIMER_BLOCK_ID, WAET_FLAGS } from './spec/small-tables.ts'
export {
  OS_SINIT_DATA,
  SINIT_MLE_DATA,
  SINIT_MLE_DATA_VERSION,
  TBOOT_SHARED_PAGE,
  TBOOT_UUID,
  TBOOT_VERSION,
  TXT_HEAP_TABLES,
  TXT_PRIVATE_BASE,
  TXT_PUBLIC_BASE,
  TXT_REGISTERS,
  TXT_SPACE_SIZE,
} from './spec/txt.ts'
export {
  EFI_ACPI_20_TABLE_GUID,
  EFI_CONFIGURATION_TABLE,
  EFI_MEMORY_DESCRIPTOR,
  EFI_MEMORY_TYPE,
  EFI_SYSTEM_TABLE,
  EFI_SYSTEM_TABLE_SIGNATURE,
} from './spec/uefi.ts'
export { type AcpiTable, buildTable, formatTable, type KnownTable, parseTable, printTable } from './table.ts'
export type { U64 } from './values.ts'
export {
  buildViot,
  formatViot,
  parseViot,
  type UnknownViotNode,
  type Viot,
  type ViotMmio,
  type ViotNode,
  type ViotPciRange,
  type ViotVirtioIommuMmio,
  type ViotVirtioIommuPci,
  viotNodeOffsets,
} from './viot.ts'
export { buildWaet, formatWaet, parseWaet, type Waet } from './waet.ts'
