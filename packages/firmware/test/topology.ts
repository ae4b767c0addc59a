import { readFileSync } from 'node:fs'
import { type FakeBus, FakeFunction } from './fake-pc.ts'

/** A function as a kernel found it after real firmware: the lines of one function of a golden file. */
interface Described {
  readonly id: number
  readonly lines: string[]
}

const PORT_TYPES: readonly [RegExp, number][] = [
  [/PCIe Root Port/, 0x0142],
  [/PCIe Switch Upstream Port/, 0x0052],
  [/PCIe Switch Downstream Port/, 0x0162],
  [/PCIe to PCI/, 0x0072],
  [/Integrated Endpoint/, 0x0092],
  [/PCIe Endpoint/, 0x0002],
]

/** Reads a golden file: `0000:00:02.0`, and below it what the kernel said of the function. */
export function describe(name: string): Described[] {
  const text = readFileSync(new URL(`./golden/${name}.pci.txt`, import.meta.url), 'utf8')
  const found: Described[] = []
  for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const address = /^0000:(..):(..)\.(.)$/.exec(line)
    if (address === null) found.at(-1)!.lines.push(line.trim())
    else {
      const [bus, device, fn] = address.slice(1).map((digits) => Number.parseInt(digits, 16))
      found.push({ id: (bus! << 8) | (device! << 3) | fn!, lines: [] })
    }
  }
  return found
}

/** `BAR 4 [mem 0xfe-0xff 64bit pref]`: what, where, how. */
export interface Placed {
  /** `BAR 4`, `ROM`, `io`, `memory`, `prefetchable`. */
  readonly what: string
  readonly first: number
  readonly last: number
  readonly flags: string
}

export function placesOf({ lines }: Described): Placed[] {
  return lines.flatMap((line) => {
    const match = /^(BAR \d|ROM|bridge window) \[(io|mem) (0x[0-9a-f]+)-(0x[0-9a-f]+)(.*)\]$/.exec(line)
    if (match === null) return []
    const [, place = '', space = '', first = '', last = '', flags = ''] = match
    const window = space === 'io' ? 'io' : flags.includes('pref') ? 'prefetchable' : 'memory'
    const what = place === 'bridge window' ? window : place
    return [{ what, first: Number(first), last: Number(last), flags: `${space}${flags}` }]
  })
}

function build({ lines }: Described): FakeFunction {
  const one = new FakeFunction()
  const head = /^\[(....):(....)\] type (..) class 0x(......)(.*)$/.exec(lines[0]!)!
  const [vendor, device, type, classCode] = head.slice(1, 5).map((digits) => Number.parseInt(digits, 16))
  one.view.setUint16(0, vendor!, true)
  one.view.setUint16(2, device!, true)
  one.view.setUint32(8, classCode! << 8, true)
  one.config[0x0e] = type! | 0x80
  one.maskView.setUint16(4, 0x0547, true)
  one.mask[0x3c] = 0xff
  one.config[0x3d] = 1
  const bridge = type === 1
  if (bridge) {
    one.mask.fill(0xff, 0x18, 0x1b)
    for (const offset of [0x1c, 0x1d]) one.mask[offset] = 0xf0
    one.maskView.setUint32(0x20, 0xfff0_fff0, true)
    one.maskView.setUint32(0x24, 0xfff0_fff0, true)
    one.view.setUint32(0x24, 0x0001_0001, true)
    one.mask.fill(0xff, 0x28, 0x34)
    one.maskView.setUint16(0x3e, 0x0fff, true)
  }
  // Registers of the chipset, which firmware programs: writable, with no meaning here.
  if (vendor === 0x8086) one.mask.fill(0xff, 0x40, 0x100)
  for (const { what, first, last, flags } of placesOf({ id: 0, lines })) {
    const size = last - first + 1
    if (what === 'ROM') one.maskView.setUint32(bridge ? 0x38 : 0x30, (-size | 1) >>> 0, true)
    if (!what.startsWith('BAR')) continue
    const offset = 0x10 + 4 * Number(what.slice(4))
    const is64 = flags.includes('64bit')
    const kind = flags.startsWith('io') ? 1 : (is64 ? 4 : 0) | (flags.includes('pref') ? 8 : 0)
    one.view.setUint32(offset, kind, true)
    one.maskView.setUint32(offset, -size >>> 0, true)
    if (is64) one.maskView.setUint32(offset + 4, 0xffff_ffff, true)
  }
  addCapabilities(one, lines, head[5] ?? '')
  return one
}

function addCapabilities(one: FakeFunction, lines: readonly string[], kind: string): void {
  const caps =
    lines
      .find((line) => line.startsWith('caps '))
      ?.slice(5)
      .split(' ') ?? []
  const list = caps.map((text) => text.split('@').map((digits) => Number.parseInt(digits, 16)) as [number, number])
  if (list.length > 0) one.config[0x06] = 0x10
  one.config[0x34] = list[0]?.[1] ?? 0
  for (const [index, [id, offset]] of list.entries()) {
    one.config[offset] = id
    one.config[offset + 1] = list[index + 1]?.[1] ?? 0
    one.mask.fill(0, offset, offset + 4)
    const port = PORT_TYPES.find(([pattern]) => pattern.test(kind))
    if (id === 0x10 && port !== undefined) one.view.setUint16(offset + 2, port[1], true)
  }
}

/** The functions as they were before firmware ran: no bus has a number, nothing has an address. */
export function before(functions: readonly Described[], rootBuses: readonly number[]): Map<number, FakeBus> {
  const newBus = (): FakeBus => ({ functions: new Map(), below: new Map() })
  const buses = new Map(rootBuses.map((number) => [number, newBus()]))
  for (const described of functions) {
    const bus = buses.get(described.id >> 8)!
    bus.functions.set(described.id & 0xff, build(described))
    const secondary = described.lines.flatMap((line) => /^PCI bridge to \[bus (..)/.exec(line)?.[1] ?? [])[0]
    if (secondary === undefined) continue
    const below = newBus()
    bus.below.set(described.id & 0xff, below)
    buses.set(Number.parseInt(secondary, 16), below)
  }
  return new Map(rootBuses.map((number) => [number, buses.get(number)!]))
}
