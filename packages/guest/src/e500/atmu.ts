import { COMMAND, PCI_CAP_ID_EXP, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import type { WordRegisters } from '../openpic/byte-order.ts'
import { firstById, readCapabilities } from '../pci/capabilities.ts'
import type { ConfigAccess, FunctionAddress } from '../pci/config-access.ts'
import {
  INBOUND,
  INBOUND_BASE,
  LOCAL_MEMORY,
  OUTBOUND,
  OUTBOUND_BASE,
  PCI_CONFIGURATION,
  PIWAR,
  POWAR,
  SNOOPED,
  WINDOW_OF_MEMORY,
  WINDOW_OF_PORTS,
  WINDOW_STRIDE,
} from '../spec/fsl-pci.ts'
import type { FslBridge, OutboundRange } from './fsl-bridge.ts'

const UNIT = 0x1000
const FOUR_GIB = 0x1_0000_0000
const OUTBOUND_WINDOWS = 5
/** PCI Express controllers from this revision on have one more inbound window, and begin with it. */
const REVISION_2_2 = 0x0208_0202
const { BAR0, COMMAND: REGISTER } = PCI_HEADER_TYPE0.registers

/** How the bus sees memory once the windows are set. */
export interface InboundSetup {
  /** Devices reach [0, windowSize) at its own address. */
  readonly windowSize: number
  /** Devices with enough address lines reach all of memory from here on; null where there is no such window. */
  readonly offset64: number | null
  /** One past the last byte of memory. */
  readonly memoryEnd: number
  /** Bus address at which devices find CCSR. */
  readonly ccsrBar: number
}

/** What the windows are set in. */
export interface AtmuSite {
  readonly bridge: FslBridge
  readonly words: WordRegisters
  readonly config: ConfigAccess
  /** One past the last byte of memory. */
  readonly memoryEnd: number
  readonly log: (line: string) => void
}

/**
 * Sets a Freescale PCI controller’s windows up (`setup_pci_atmu`): outbound ones for its memory and ports; CCSR below
 * them for messages; and inbound ones, which decide what of memory devices reach, and where. A PCI controller’s may not
 * overlap what is outbound, so that two powers of two have to do; a PCI Express one gets one over all of it, and beyond
 * 4 GiB a second for devices that drive enough address lines.
 */
export function setUpAtmu(site: AtmuSite): InboundSetup | string {
  const { bridge, config, words, memoryEnd, log } = site
  const root: FunctionAddress = { segment: 0, bus: bridge.firstBus, device: 0, function: 0 }
  setUpCommand(config, root)
  const express = firstById(readCapabilities(config, root)).has(PCI_CAP_ID_EXP)
  const revision = words.read(bridge.registers + PCI_CONFIGURATION.registers.IP_BLOCK_REVISION.offset)
  const windows = express && revision >= REVISION_2_2 ? [2, 1, 0] : [3, 2, 1]
  for (let at = 1; at < OUTBOUND_WINDOWS; at++) writeOutbound(site, at, { POWAR: 0 })
  for (const at of windows) writeInbound(site, at, { PIWAR: 0 })
  setUpOutbound(site)

  const low = bridge.memory.bus
  if (low === 0) return `${bridge.path}: No space for inbound window`
  const ccsrBar = placeCcsr(config, root, bridge.memory)
  log(`${bridge.path}: PCICSRBAR @ 0x${ccsrBar.toString(16)}`)
  log(`setup_pci_atmu: end of DRAM ${memoryEnd.toString(16)}`)
  const below = Math.min(memoryEnd, low, ccsrBar)
  const setup = express
    ? setUpExpress(site, windows, below)
    : { windowSize: setUpPieces(site, windows, below), offset64: null }
  if (setup.windowSize < memoryEnd) log(`${bridge.path}: DMA window size is 0x${setup.windowSize.toString(16)}`)
  return { ...setup, memoryEnd, ccsrBar }
}

/** `setup_pci_cmd` */
function setUpCommand(config: ConfigAccess, root: FunctionAddress): void {
  const { SERR_ENABLE, BUS_MASTER_ENABLE, MEMORY_SPACE_ENABLE, IO_SPACE_ENABLE } = COMMAND.fields
  const wanted = [SERR_ENABLE, BUS_MASTER_ENABLE, MEMORY_SPACE_ENABLE, IO_SPACE_ENABLE]
  const old = config.read(root, REGISTER.offset, 2)
  config.write(root, REGISTER.offset, 2, wanted.reduce((value, one) => one.setLo(value, 1), old) & 0xffff)
}

function setUpOutbound(site: AtmuSite): void {
  const { bridge, log } = site
  let next = 1
  let { bus, cpu, size } = bridge.memory
  while (size > 0 && next < OUTBOUND_WINDOWS) {
    const log2 = Math.min(Math.floor(Math.log2(size)), trailingZeros(bus), trailingZeros(cpu))
    writeOutbound(site, next++, windowOf({ bus, cpu, size: 2 ** log2 }, WINDOW_OF_MEMORY))
    bus += 2 ** log2
    cpu += 2 ** log2
    size -= 2 ** log2
  }
  if (size > 0) log(`${bridge.path}: Ran out of outbound PCI ATMUs for resource 0!`)
  if (bridge.ports === null) return
  if (next < OUTBOUND_WINDOWS) writeOutbound(site, next, windowOf(bridge.ports, WINDOW_OF_PORTS))
  else log(`${bridge.path}: Ran out of outbound PCI ATMUs for IO resource`)
}

function windowOf({ bus, cpu, size }: OutboundRange, type: number): OutboundWords {
  const { EN, RTT, WTT, OWS } = POWAR.fields
  const attributes = EN.setLo(RTT.setLo(WTT.setLo(OWS.setLo(0, Math.floor(Math.log2(size)) - 1), type), type), 1)
  const page = Math.floor(bus / UNIT)
  return {
    POTAR: page % FOUR_GIB,
    POTEAR: Math.floor(page / FOUR_GIB),
    POWBAR: Math.floor(cpu / UNIT) % FOUR_GIB,
    POWAR: attributes,
  }
}

/** BAR 0 of the controller’s own function goes above what is outbound where there is room below 4 GiB, else below it. */
function placeCcsr(config: ConfigAccess, root: FunctionAddress, { bus, size }: OutboundRange): number {
  config.write(root, BAR0.offset, 4, 0xffff_ffff)
  const length = (~config.read(root, BAR0.offset, 4) + 1) >>> 0
  const above = bus + size - 1 < FOUR_GIB - length || bus > FOUR_GIB
  const at = above ? FOUR_GIB - length : Math.floor((bus - length) / Math.max(length, 1)) * length
  config.write(root, BAR0.offset, 4, at)
  return at
}

/** Two windows, each as large as a power of two allows. */
function setUpPieces(site: AtmuSite, windows: readonly number[], below: number): number {
  let covered = 0
  for (const at of windows.slice(0, 2)) {
    const rest = below - covered
    if (rest < UNIT) break
    const log2 = Math.floor(Math.log2(rest))
    writeInbound(site, at, inboundOf(covered, covered, log2))
    covered += 2 ** log2
  }
  return covered
}

/** Both directions of a link are apart: windows may overlap. */
function setUpExpress(
  site: AtmuSite,
  windows: readonly number[],
  below: number,
): Pick<InboundSetup, 'windowSize' | 'offset64'> {
  const { bridge, memoryEnd, log } = site
  let log2 = Math.floor(Math.log2(below))
  if (2 ** log2 !== memoryEnd) {
    log2++
    if (2 ** log2 > memoryEnd) log(`${bridge.path}: Setting PCI inbound window greater than memory size`)
  }
  writeInbound(site, windows[0]!, inboundOf(0, 0, log2))
  if (below === memoryEnd) return { windowSize: below, offset64: null }
  const all = Math.ceil(Math.log2(memoryEnd))
  writeInbound(site, windows[1]!, inboundOf(0, 2 ** all, all))
  log(`${bridge.path}: Setup 64-bit PCI DMA window`)
  return { windowSize: below, offset64: 2 ** all }
}

function inboundOf(memory: number, bus: number, log2: number): InboundWords {
  const { EN, PF, TGI, RTT, WTT, IWS } = PIWAR.fields
  const snooped = RTT.setLo(WTT.setLo(0, SNOOPED), SNOOPED)
  const page = Math.floor(bus / UNIT)
  return {
    PITAR: Math.floor(memory / UNIT),
    PIWBAR: page % FOUR_GIB,
    PIWBEAR: Math.floor(page / FOUR_GIB),
    PIWAR: EN.setLo(PF.setLo(TGI.setLo(IWS.setLo(snooped, log2 - 1), LOCAL_MEMORY), 1), 1),
  }
}

type OutboundWords = Partial<Record<keyof typeof OUTBOUND.registers, number>>
type InboundWords = Partial<Record<keyof typeof INBOUND.registers, number>>

function writeOutbound({ bridge, words }: AtmuSite, at: number, values: OutboundWords): void {
  const base = bridge.registers + OUTBOUND_BASE + at * WINDOW_STRIDE
  for (const { name, offset } of Object.values(OUTBOUND.registers)) {
    const value = values[name as keyof OutboundWords]
    if (value !== undefined) words.write(base + offset, value)
  }
}

function writeInbound({ bridge, words }: AtmuSite, at: number, values: InboundWords): void {
  const base = bridge.registers + INBOUND_BASE + at * WINDOW_STRIDE
  for (const { name, offset } of Object.values(INBOUND.registers)) {
    const value = values[name as keyof InboundWords]
    if (value !== undefined) words.write(base + offset, value)
  }
}

/** Of a number that may be more than 32 bits: as many as 53 for 0. */
function trailingZeros(value: number): number {
  let count = 0
  for (let rest = value; count < 53 && rest % 2 === 0; count++) rest /= 2
  return count
}
