export {
  addressCells,
  type BusAddress,
  pciSpace,
  pciUnitAddress,
  sizeCells,
} from './bindings/addressing.ts'
export { bypassesIommu, IOMMU_BYPASS } from './bindings/bypass.ts'
export { type Coherency, findCoherency } from './bindings/coherency.ts'
export { cpuAddressOf, type DmaWindow, type DmaWindows, findDmaWindows } from './bindings/dma-ranges.ts'
export { findIbmDmaWindow, type IbmDmaWindow, parseIbmDmaWindow, setIbmDmaWindow } from './bindings/ibm-dma-window.ts'
export {
  buildIdMap,
  type IdMap,
  type IdMapEntry,
  type IdMapName,
  identityMapExcept,
  mapId,
  parseIdMap,
} from './bindings/id-map.ts'
export {
  buildInterruptMap,
  type InterruptMap,
  type InterruptMapEntry,
  interruptParent,
  parseInterruptMap,
  type ResolvedInterrupt,
  resolveInterrupt,
} from './bindings/interrupt-map.ts'
export { type FoundIommu, findIommu, type IommuSearch, parseIommus } from './bindings/iommus.ts'
export { type FoundMsi, findMsi, parseMsiParent } from './bindings/msi.ts'
export { buildPhandleList, type PhandleArgs, type PhandleList, parsePhandleList } from './bindings/phandle-list.ts'
export {
  buildRanges,
  parseRanges,
  type Range,
  type Ranges,
  type RangesName,
  type TranslatedAddress,
  translateAddress,
} from './bindings/ranges.ts'
export { buildReg, parseReg, type RegEntry } from './bindings/reg.ts'
export {
  findRestrictedDmaPool,
  memoryRegions,
  RESTRICTED_DMA_POOL,
  type ReservedRegion,
  reservedRegions,
  SHARED_DMA_POOL,
} from './bindings/reserved-memory.ts'
export { findXenGrantBackend, XEN_GRANT_DMA, xenGrantNode } from './bindings/xen-grant-dma.ts'
export { DeviceTree, pathOf, phandleOf, type Reservation } from './device-tree.ts'
export type { DtbBlob } from './dtb/blob.ts'
export { parseDtb, type ReadOptions } from './dtb/read.ts'
export { buildDtb, type WriteOptions } from './dtb/write.ts'
export { formatDts, formatValue } from './dts/format.ts'
export { type ParseDtsOptions, parseDts } from './dts/parse.ts'
export type { IncludeText } from './dts/scanner.ts'
export { DtNode, firstDifference, node } from './node.ts'
export type { DtbErrorCode, DtsErrorCode, Problem, ProblemCode, TextPosition } from './problem.ts'
export { DtProperty, type PropertyInput, property } from './property.ts'
export { isDtb, isDts } from './recognise.ts'
export {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_MAGIC,
  FDT_NOP,
  FDT_PROP,
  fdt_header,
  fdt_property,
  fdt_reserve_entry,
} from './spec/fdt.ts'
export { type U64, u64FromPair } from './values.ts'
