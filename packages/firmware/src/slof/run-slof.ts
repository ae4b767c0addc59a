import { buildDtb, type DeviceTree, type DtNode } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { readTree } from '../device-tree/read-tree.ts'
import { H_CAS, RTAS_CODE, XIVE_EXPLOITATION, XIVE_ON_OFFER } from '../spec/slof.ts'
import { findMisnumbered } from './misnumbered-bridges.ts'
import { placeBars, type SlofBar } from './place-bars.ts'
import { RtasConfig } from './rtas-config.ts'

export interface SlofOptions {
  /** Where the machine has put its device tree: what r3 holds as SLOF starts. */
  readonly deviceTree: number
  /** Command line for the kernel; without it, the tree's. */
  readonly commandLine?: string
}

/** What SLOF did. */
export interface SlofResult {
  /** Where the tree for the kernel stands; null where the machine gave none that can be read. */
  readonly deviceTree: number | null
  /** The tree itself, as bytes. */
  readonly blob: Uint8Array | null
  readonly placed: readonly SlofBar[]
  /** What keeps it from starting a kernel; null where it does. */
  readonly hung: string | null
  readonly log: readonly string[]
}

const PAGE = 4096
const LARGEST_TREE = 0x100_0000
/** RTAS lies below this, or below the end of memory; below it, two buffers. */
const RTAS_LIMIT = 0x3000_0000
const BUFFER_BYTES = 0x20_0000
/** The tree does not stand below this. */
const LOWEST_TREE = 0x20_0000
/** Bytes of option vector 5 that SLOF's caller fills in. */
const PLATFORM_VECTOR_BYTES = 24
const INTERRUPT_BYTE = 23

/**
 * Brings a pseries machine up to where a kernel takes over, as SLOF does for a kernel that QEMU has loaded: BARs, RTAS
 * in memory, and the tree that fits the kernel. It takes no disk into use for that. Learns of the machine through the bus
 * alone; never throws for what the machine does.
 */
export function runSlof(bus: CpuBus, options: SlofOptions): SlofResult {
  const log: string[] = []
  const say = (line: string): void => void log.push(line)
  const nothing = (why: string): SlofResult => {
    say(why)
    return { deviceTree: null, blob: null, placed: [], hung: null, log }
  }
  const first = readTree(bus, options.deviceTree, LARGEST_TREE)
  if (typeof first === 'string') return nothing(first)
  const memory = memoryEnd(first)
  const rtasBase = Math.floor(Math.min(memory, RTAS_LIMIT) / PAGE) * PAGE - PAGE
  const buffer = rtasBase - BUFFER_BYTES
  if (buffer - BUFFER_BYTES < LOWEST_TREE) return nothing(`${memory} bytes of memory are too few`)

  const answered = chooseArchitecture(bus, first, buffer, say)
  const tree = answered ?? first
  const config = new RtasConfig(bus, tree.find('/rtas'), buffer)
  const placed: SlofBar[] = []
  for (const node of tree.root.children) {
    if (node.string('device_type') === 'pci') placed.push(...placeBars(node, config, say))
  }
  const lost = answered === null ? null : findMisnumbered(answered)
  if (lost !== null) {
    const hung = `SLOF does not find the ${lost} node of the tree behind its bridge, and resets the machine again and again`
    say(`Cannot handle FDT update for the ${lost} node, rebooting`)
    return { deviceTree: null, blob: null, placed, hung, log }
  }
  installRtas(bus, tree, rtasBase)
  if (options.commandLine !== undefined) chosenOf(tree).set('bootargs', options.commandLine)
  const blob = buildDtb(tree)
  const target = buffer - Math.max(BUFFER_BYTES, Math.ceil(blob.length / PAGE) * PAGE)
  if (target < LOWEST_TREE) {
    say(`a tree of ${blob.length} bytes does not fit below 0x${buffer.toString(16)}`)
    return { deviceTree: null, blob: null, placed, hung: null, log }
  }
  bus.writeBytes(target, blob)
  return { deviceTree: target, blob, placed, hung: null, log }
}

/** End of the memory that starts at 0. */
function memoryEnd(tree: DeviceTree): number {
  let end = 0
  const nodes = tree.root.children.filter((node) => node.string('device_type') === 'memory')
  const regions = nodes.map((node) => node.cells('reg')).sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!)
  for (const [hi = 0, lo = 0, sizeHi = 0, sizeLo = 0] of regions) {
    if (hi * 0x1_0000_0000 + lo === end) end += sizeHi * 0x1_0000_0000 + sizeLo
  }
  return end
}

/**
 * ibm,client-architecture-support. The kernel makes this call, with option vectors that stand in its image; it goes
 * through the firmware, which gets a new tree. What Linux asks for here is XIVE, where the platform offers it.
 */
function chooseArchitecture(
  bus: CpuBus,
  tree: DeviceTree,
  buffer: number,
  say: (line: string) => void,
): DeviceTree | null {
  const support = tree.find('/chosen')?.property('ibm,arch-vec-5-platform-support')?.value ?? new Uint8Array(0)
  let wanted = 0
  for (let at = 0; at + 1 < support.length; at += 2) {
    if (support[at] === INTERRUPT_BYTE && (support[at + 1]! & XIVE_ON_OFFER) !== 0) wanted = XIVE_EXPLOITATION
  }
  // One processor version that ends the list at once, then five vectors: four of a byte, and the platform's.
  const platform = new Uint8Array(PLATFORM_VECTOR_BYTES)
  platform[INTERRUPT_BYTE - 1] = wanted
  const vectors = Uint8Array.of(
    0,
    0,
    0,
    0,
    0xff,
    0xff,
    0xff,
    0xff,
    4,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    PLATFORM_VECTOR_BYTES - 1,
    ...platform,
  )
  bus.writeBytes(buffer, vectors)
  const answer = buffer + PAGE
  const result = bus.hypercall?.(
    H_CAS,
    Uint32Array.of(buffer, 0, answer, 0, BUFFER_BYTES - PAGE, 0),
    new Uint32Array(2),
  )
  if (result !== 0) {
    say(`ibm,client-architecture-support: the hypervisor answers ${result}`)
    return null
  }
  // The tree stands behind a word with the version of this form.
  const updated = readTree(bus, answer + 4, LARGEST_TREE)
  if (typeof updated !== 'string') return updated
  say(updated)
  return null
}

/** The code that a kernel enters for RTAS calls, in memory that it must not use. */
function installRtas(bus: CpuBus, tree: DeviceTree, base: number): void {
  const code = new DataView(new ArrayBuffer(RTAS_CODE.length * 4))
  for (const [index, word] of RTAS_CODE.entries()) code.setUint32(index * 4, word)
  bus.writeBytes(base, new Uint8Array(code.buffer))
  tree.reservations = [...tree.reservations, { address: base, size: PAGE }]
  const rtas = tree.find('/rtas')
  rtas?.set('slof,rtas-base', base)
  rtas?.set('linux,rtas-base', base)
  rtas?.set('linux,rtas-entry', base)
}

function chosenOf(tree: DeviceTree): DtNode {
  return tree.find('/chosen') ?? tree.root
}
