import { PAGE_SIZE_BIAS, TABLE_SIZE_BIAS, TVE, UNTRANSLATED_TVE } from '@dmascope/iommu/ioda/spec'
import { isEndpoint, numberAt, type OpalArguments } from './opal-arguments.ts'
import type { Phb } from './phb.ts'
import { OPAL_RETURN } from './spec/opal-calls.ts'

const { OPAL_SUCCESS, OPAL_PARAMETER } = OPAL_RETURN
const PAGE_SIZES = [0x1000, 0x1_0000, 0x20_0000, 0x4000_0000]
const MOST_LEVELS = 5
const LARGEST_TABLE_FIELD = 31
const GRANULE = 0x100_0000
/** Where windows for addresses that are let through end: real addresses have 50 bits. */
const REAL_END = 2 ** 50
const SECOND_WINDOW = 2 ** 59

/** Windows are numbered through all endpoints, two each. */
const windowIsOf = (endpoint: number, window: number): boolean => Math.floor(window / 2) === endpoint

/** OPAL_PCI_MAP_PE_DMA_WINDOW: endpoint, window, levels of its TCE table, address and bytes of its top, page size. */
export function mapDmaWindow({ unit, place }: Phb, args: OpalArguments): number {
  const [endpoint, window, levels] = [numberAt(args, 1), numberAt(args, 2), numberAt(args, 3)]
  const [table, size, pageSize] = [numberAt(args, 4), numberAt(args, 5), numberAt(args, 6)]
  if (!isEndpoint({ place }, endpoint) || !windowIsOf(endpoint, window)) return OPAL_PARAMETER
  if (size === 0) {
    unit.setTve(endpoint, window & 1, 0, 0)
    return OPAL_SUCCESS
  }
  const tableField = Math.floor(Math.log2(size)) - TABLE_SIZE_BIAS
  if (!(levels >= 1 && levels <= MOST_LEVELS) || !(size >= 0x1000) || tableField > LARGEST_TABLE_FIELD) {
    return OPAL_PARAMETER
  }
  if (!PAGE_SIZES.includes(pageSize) || !Number.isSafeInteger(table)) return OPAL_PARAMETER
  const { TABLE_ADDR, NUM_LEVELS, TCE_TABLE_SIZE, IO_PSIZE } = TVE.fields
  const page = Math.floor(table / 0x1000)
  let lo = NUM_LEVELS.setLo(0, levels - 1)
  lo = TCE_TABLE_SIZE.setLo(lo, tableField)
  lo = IO_PSIZE.setLo(lo, Math.log2(pageSize) - PAGE_SIZE_BIAS)
  lo = (lo | ((page & 0xffff) << (TABLE_ADDR.low % 32))) >>> 0
  unit.setTve(endpoint, window & 1, Math.floor(page / 0x1_0000), lo)
  return OPAL_SUCCESS
}

/** OPAL_PCI_MAP_PE_DMA_WINDOW_REAL: endpoint, window, first bus address, bytes; 0 bytes close it. */
export function mapDmaWindowReal({ unit, place }: Phb, args: OpalArguments): number {
  const [endpoint, window] = [numberAt(args, 1), numberAt(args, 2)]
  if (!isEndpoint({ place }, endpoint) || !windowIsOf(endpoint, window)) return OPAL_PARAMETER
  const size = numberAt(args, 4)
  if (size === 0) {
    unit.setTve(endpoint, window & 1, 0, 0)
    return OPAL_SUCCESS
  }
  // The address is above 2^53 in the second window. Its bit 59 says which window it is in; what is left counts.
  const address = args[7]! * 0x1_0000_0000 + args[6]!
  const inSecond = address >= SECOND_WINDOW
  const start = inSecond ? address - SECOND_WINDOW : address
  const end = start + size
  if (inSecond !== ((window & 1) === 1)) return OPAL_PARAMETER
  if (args[6]! % GRANULE !== 0 || !(size % GRANULE === 0) || !(end < REAL_END)) return OPAL_PARAMETER
  const { START_47_24, END_47_24, VALID, START_49_48, END_49_48, NON_TRANSLATE_50 } = UNTRANSLATED_TVE.fields
  const upper = (value: number): number => Math.floor(value / GRANULE) % 0x100_0000
  const top = (value: number): number => Math.floor(value / 2 ** 48)
  const high = (upper(start) << (START_47_24.low % 32)) | (upper(end) >>> 16)
  let low = ((upper(end) & 0xffff) << END_47_24.low) >>> 0
  low = VALID.setLo(low, 1)
  low = START_49_48.setLo(low, top(start))
  low = END_49_48.setLo(low, top(end))
  low = NON_TRANSLATE_50.setLo(low, 1)
  unit.setTve(endpoint, window & 1, high >>> 0, low)
  return OPAL_SUCCESS
}
