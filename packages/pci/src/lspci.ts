import { DmascopeError } from '@dmascope/layout'

/** A PCI function as the text of `lspci` tells of it. Null where that does not say. */
export interface ListedFunction {
  readonly segment: number
  readonly bus: number
  readonly device: number
  readonly function: number
  /** 0 for devices, 1 for bridges, 2 for CardBus bridges; by the class where there is neither `-v` nor `-x`. */
  readonly headerType: number | null
  /** Base class and subclass: 0x0604 for a bridge. */
  readonly classCode: number | null
  /** Of a bridge, with `-v` or `-x`. */
  readonly secondaryBus: number | null
  readonly vendorId: number | null
  readonly deviceId: number | null
  /** Of a function with SR-IOV, with `-vv`: how many virtual ones there can be, and where, by routing ID from its own. */
  readonly virtual?: { readonly total: number; readonly offset: number; readonly stride: number }
}

type Draft = { -readonly [Key in keyof ListedFunction]: ListedFunction[Key] } & {
  hasDetails: boolean
  totalVfs: number
}

const ADDRESS = /^(?:Slot:\s*)?(?:([0-9a-f]{4,5}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])(?:\s+(.*))?$/i
const CLASSES: Readonly<Record<string, number>> = {
  'Host bridge': 0x0600,
  'ISA bridge': 0x0601,
  'EISA bridge': 0x0602,
  'MicroChannel bridge': 0x0603,
  'PCI bridge': 0x0604,
  'PCMCIA bridge': 0x0605,
  'NuBus bridge': 0x0606,
  'CardBus bridge': 0x0607,
  'RACEway bridge': 0x0608,
  'Semi-transparent PCI-to-PCI bridge': 0x0609,
  'InfiniBand to PCI host bridge': 0x060a,
  Bridge: 0x0680,
}
const HEADER_TYPES: Readonly<Record<number, number>> = { 1540: 1, 1543: 2 }
/** Configuration space, of which `-x` prints 64 bytes: the header's type, and a bridge's secondary bus. */
const HEADER_TYPE_AT = 0x0e
const SECONDARY_BUS_AT = 0x19

/**
 * The functions in the text of `lspci`: one line each (plain, `-n`, `-nn`), `-v` to `-vvv`, `-x` to `-xxxx`, and `-vmm`
 * with or without `-k`, alone or together. Which bus is below a bridge is told by `-v` and `-x` only.
 *
 * @param source - named in the error
 * @throws DmascopeError TOPOLOGY_LSPCI where no function is in it, or one twice
 */
export function readLspci(text: string, source = 'lspci'): ListedFunction[] {
  const found = new Map<string, Draft>()
  let current: Draft | null = null
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, segment, bus, device, fn, rest] = ADDRESS.exec(line) ?? []
    if (bus !== undefined) {
      current = newFunction(segment, bus, device!, fn!)
      const key = `${current.segment}:${current.bus}:${current.device}.${current.function}`
      if (found.has(key)) {
        const message = `${source}:${index + 1}: the function ${line.split(/\s/)[0]} stands there twice; give one listing of one machine`
        throw new DmascopeError('TOPOLOGY_LSPCI', message, { source, line: index + 1 })
      }
      found.set(key, current)
      if (rest !== undefined) readHeadline(current, rest)
    } else if (current !== null) readDetail(current, line)
  }
  if (found.size === 0) {
    const message = `${source}: no PCI function is in it; give what lspci prints: lspci -nnvvv > FILE`
    throw new DmascopeError('TOPOLOGY_LSPCI', message, { source })
  }
  return [...found.values()].map(finish)
}

const newFunction = (segment: string | undefined, bus: string, device: string, fn: string): Draft => ({
  segment: Number.parseInt(segment ?? '0', 16),
  bus: Number.parseInt(bus, 16),
  device: Number.parseInt(device, 16),
  function: Number(fn),
  headerType: null,
  classCode: null,
  secondaryBus: null,
  vendorId: null,
  deviceId: null,
  hasDetails: false,
  totalVfs: 0,
})

/** `PCI bridge [0604]: Intel ... [8086:a110]`, or `0604: 8086:a110 (rev f1)`. */
function readHeadline(one: Draft, text: string): void {
  const [, number, ids] = /^([0-9a-f]{4}): ([0-9a-f]{4}:[0-9a-f]{4})/i.exec(text) ?? []
  if (number !== undefined) {
    one.classCode = Number.parseInt(number, 16)
    readIds(one, ids!)
    return
  }
  readClass(one, text.split(': ')[0] ?? '')
  const pairs = [...text.matchAll(/\[([0-9a-f]{4}:[0-9a-f]{4})\]/gi)]
  if (pairs.length > 0) readIds(one, pairs[0]![1]!)
}

function readIds(one: Draft, pair: string): void {
  one.vendorId = Number.parseInt(pair.slice(0, 4), 16)
  one.deviceId = Number.parseInt(pair.slice(5), 16)
}

/** `PCI bridge [0604]`, `PCI bridge` or `0604`. */
function readClass(one: Draft, text: string): void {
  const [, number] = /(?:\[|^)([0-9a-f]{4})\]?$/i.exec(text) ?? []
  one.classCode = number === undefined ? (CLASSES[text] ?? null) : Number.parseInt(number, 16)
}

const lastId = (text: string): number | null => {
  const [, number] = /(?:\[|^)([0-9a-f]{4})\]?$/i.exec(text) ?? []
  return number === undefined ? null : Number.parseInt(number, 16)
}

function readDetail(one: Draft, line: string): void {
  const [, tag, value] = /^(Class|Vendor|Device):\s+(.*)$/.exec(line) ?? []
  if (tag === 'Class') readClass(one, value!)
  else if (tag === 'Vendor') one.vendorId = lastId(value!)
  else if (tag === 'Device') one.deviceId = lastId(value!)
  else if (/^\s+(?:Control|Flags|Subsystem|Capabilities|Bus):? /.test(line)) one.hasDetails = true
  const [, secondary] = /^\s+Bus: primary=[0-9a-f]{2}, secondary=([0-9a-f]{2}),/i.exec(line) ?? []
  if (secondary !== undefined) one.secondaryBus = Number.parseInt(secondary, 16)
  const [, total] = /^\s+Initial VFs: \d+, Total VFs: (\d+),/.exec(line) ?? []
  if (total !== undefined) one.totalVfs = Number(total)
  const [, offset, stride] = /^\s+VF offset: (\d+), stride: (\d+),/.exec(line) ?? []
  if (offset !== undefined && one.totalVfs > 0) {
    one.virtual = { total: one.totalVfs, offset: Number(offset), stride: Number(stride) }
  }
  const [, at, digits] = /^([01]0): ((?:[0-9a-f]{2} ?){16})\s*$/i.exec(line) ?? []
  if (digits === undefined) return
  const bytes = digits
    .trim()
    .split(/\s+/)
    .map((pair) => Number.parseInt(pair, 16))
  const start = Number.parseInt(at!, 16)
  if (start === 0) one.headerType = bytes[HEADER_TYPE_AT]! & 0x7f
  else if (one.headerType === 1 || one.headerType === 2) one.secondaryBus = bytes[SECONDARY_BUS_AT - start]!
}

/** What the rest tells of the header's type. */
function finish({ hasDetails, totalVfs: _, ...one }: Draft): ListedFunction {
  if (one.headerType !== null) return one
  const byClass = one.classCode === null ? undefined : (HEADER_TYPES[one.classCode] ?? 0)
  if (one.secondaryBus !== null) return { ...one, headerType: byClass === 2 ? 2 : 1 }
  return { ...one, headerType: hasDetails && byClass === undefined ? 0 : (byClass ?? null) }
}
