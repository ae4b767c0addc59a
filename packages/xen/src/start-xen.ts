import {
  BOOT_FLAG,
  BOOT_HEADER_MAGIC,
  BOOT_PARAMS,
  BOOT_PARAMS_ADDRESS,
  E820_MAX_ENTRIES,
  E820_TYPE,
} from '@dmascope/acpi'
import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import { APIC_FRAMES } from './apics.ts'
import { dealFrames, mostPages } from './deal-frames.ts'
import { DomainBus } from './domain-bus.ts'
import { DomainMemory } from './domain-memory.ts'
import { DomainWitness } from './domain-witness.ts'
import { EventChannels } from './event-channels.ts'
import { ForeignMemory } from './foreign-memory.ts'
import { FrameTable } from './frame-table.ts'
import { GuestHandles } from './guest-handle.ts'
import { type MapEntry, MemoryCalls } from './memory-calls.ts'
import { PhysicalInterrupts } from './physical-interrupts.ts'
import { XEN_CPUID_FIRST_LEAF, XEN_CPUID_LEAVES, XEN_CPUID_SIGNATURE } from './spec/cpuid.ts'
import { HYPERVISOR, XEN_ERRNO, XENVER_version } from './spec/hypercalls.ts'
import { SHARED_INFO } from './spec/shared-info.ts'
import { START_FLAGS, START_INFO, START_MAGIC, VIRT_BASE_HI, VIRT_BASE_LO } from './spec/start-info.ts'

export interface XenOptions {
  /** Bytes that the first domain gets: whole pages. */
  readonly memory: number
  /** Bytes in a row that go to one owner: a power of two from 4 KiB to 4 MiB; 16 KiB unless given. */
  readonly piece?: number
}

/** Xen, with its first domain ready to run. */
export interface StartedXen {
  /** The domain's processor. */
  readonly bus: CpuBus
  /** Where the domain finds its start_info, which register RSI names: an address of the domain's. */
  readonly startInfo: number
  /** Whose memory is whose. For those who watch; the domain is told nothing of it. */
  readonly foreign: ForeignMemory
  /** The domain's witness, for one of the machine's. */
  witnessFor(machine: DmaWitness): DmaWitness
}

const PAGE = 4096
const MIB = 0x10_0000
const PIECE = 0x4000
const LARGEST_PIECE = 4 * MIB
/** Behind the kernel, which Linux has at 16 MiB: the list of its frames, then what tells of it. */
const MFN_LIST = 32 * MIB
const startInfoAt = (pages: number): number => MFN_LIST + Math.ceil((pages * 8) / PAGE) * PAGE
/** What a domain starts with, in whole units, and some room behind. */
const bootBytes = (pages: number): number => startInfoAt(pages) + PAGE + MIB / 2
const BOOT_UNIT = 4 * MIB
/** 4.17. */
const VERSION = 0x4_0011
const MOST_LIMIT = 2 ** 53

/** The memory that a machine must have. */
export const SMALLEST_XEN_MEMORY = 256 * MIB
/** What the first domain gets unless told: most of it, as it does where Xen is not told. */
export const defaultDomainMemory = (memory: number): number => Math.floor((memory * 5) / 8 / MIB) * MIB
const SMALLEST_DOMAIN = 96 * MIB

/** The most that the first domain can have of this much memory, in bytes. */
export const mostDomainMemory = (memory: number): number => Math.floor((mostPages(memory / PAGE) * PAGE) / MIB) * MIB

/** Why there is no such Xen; null where there is. */
export function refuseXen(machineMemory: number, { memory, piece = PIECE }: XenOptions): string | null {
  if (machineMemory < SMALLEST_XEN_MEMORY) return `Xen wants ${SMALLEST_XEN_MEMORY / MIB} MiB of memory or more`
  const most = mostDomainMemory(machineMemory)
  if (memory < SMALLEST_DOMAIN || memory > most || memory % PAGE !== 0) {
    return `the first domain has from ${SMALLEST_DOMAIN / MIB} to ${most / MIB} MiB of this memory, in whole pages`
  }
  const order = Math.log2(piece)
  if (!Number.isInteger(order) || piece < PAGE || piece > LARGEST_PIECE) {
    return 'memory is dealt out in pieces of 4K to 4M, a power of two'
  }
  return null
}

/**
 * Starts Xen on a PC whose firmware is done, and makes its first domain, a paravirtual one: takes the interrupt
 * controllers, deals out memory, and writes what the domain's kernel is to find. Xen runs on the machine's CPU bus as
 * any software does; the domain runs on the one that it gets here.
 *
 * DEVIATION: the memory map and the kernel's command line come from where firmware left them for a kernel.
 *
 * @returns why it stops, where it does
 * @throws RangeError where `refuseXen` has a reason
 */
export function startXen(bus: CpuBus, options: XenOptions): StartedXen | string {
  const boot = readBoot(bus)
  if (boot === null) return 'no boot parameters at 0x90000'
  const ram = boot.map
    .filter(({ type }) => type === E820_TYPE.ram)
    .map(({ base, length }) => ({ first: Math.ceil(base / PAGE), end: Math.floor((base + length) / PAGE) }))
    .filter(({ first, end }) => end > first)
  const table = new FrameTable(ram)
  const { memory: bytes, piece = PIECE } = options
  const refused = refuseXen(table.frames * PAGE + MIB, options)
  if (refused !== null) throw new RangeError(refused)
  const pages = bytes / PAGE
  const list = dealFrames(table, {
    pages,
    boot: Math.ceil(bootBytes(pages) / BOOT_UNIT) * (BOOT_UNIT / PAGE),
    piece: piece / PAGE,
  })
  const memory = new DomainMemory(list, table, APIC_FRAMES)
  // The highest frame of RAM: the domain has no address of its own there.
  const shared = table.frames - 1
  memory.share(shared)
  bus.writeBytes(shared * PAGE, new Uint8Array(PAGE))
  // The first processor starts with upcalls masked.
  bus.write8(shared * PAGE + SHARED_INFO.fields.vcpu_info.at(0).fields.evtchn_upcall_mask.offset, 1)

  const domain = new DomainBus(bus, memory, {
    deliver: () => deliver(),
    idle: () => bus.idle() && !events.upcallPending,
    cpuid,
    hypercall,
  })
  const handles = new GuestHandles(domain, memory)
  const interrupts = new PhysicalInterrupts(bus, handles)
  const events = new EventChannels(bus, handles, interrupts, shared * PAGE)
  const calls = new MemoryCalls({ bus, handles, memory, frames: table, map: boot.map })

  function deliver(): boolean {
    if (events.upcallPending) return true
    const vector = bus.nextInterrupt()
    if (vector < 0) return false
    const port = interrupts.take(vector)
    if (port !== null) events.send(port)
    return events.upcallPending
  }

  function hypercall(number: number, args: Uint32Array): number {
    const command = (args[0] ?? 0) >>> 0
    const lo = (args[2] ?? 0) >>> 0
    const hi = (args[3] ?? 0) >>> 0
    switch (number) {
      case HYPERVISOR.memory_op:
        return calls.call(command, hi, lo)
      case HYPERVISOR.event_channel_op:
        return events.call(command, hi, lo)
      case HYPERVISOR.physdev_op:
        return interrupts.call(command, hi, lo)
      case HYPERVISOR.xen_version:
        return command === XENVER_version ? VERSION : XEN_ERRNO.ENOSYS
      default:
        return XEN_ERRNO.ENOSYS
    }
  }

  const startInfo = writeStartInfo(domain, list, shared, boot.commandLine)
  return {
    bus: domain,
    startInfo,
    foreign: new ForeignMemory(bus, table),
    witnessFor: (machine) => new DomainWitness(machine, memory),
  }
}

/** Leaves that are not Xen's are those of a processor that says nothing. */
function cpuid(leaf: number, _subleaf: number, out: Uint32Array): void {
  out.fill(0)
  if (leaf === XEN_CPUID_FIRST_LEAF) out.set([XEN_CPUID_FIRST_LEAF + XEN_CPUID_LEAVES, ...XEN_CPUID_SIGNATURE])
  else if (leaf === XEN_CPUID_FIRST_LEAF + 1) out[0] = VERSION
}

interface Boot {
  readonly map: readonly MapEntry[]
  readonly commandLine: Uint8Array
}

function readBoot(bus: CpuBus): Boot | null {
  const page = new DataView(new ArrayBuffer(BOOT_PARAMS.size))
  bus.readBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(page.buffer))
  const { boot_flag, header, e820_entries, e820_table, cmd_line_ptr } = BOOT_PARAMS.fields
  if (boot_flag.get(page, 0) !== BOOT_FLAG || header.get(page, 0) !== BOOT_HEADER_MAGIC) return null
  const map: MapEntry[] = []
  for (let index = 0; index < Math.min(e820_entries.get(page, 0), E820_MAX_ENTRIES); index++) {
    const { addr, size, type } = e820_table.at(index).fields
    if (addr.hi.get(page, 0) >= 0x20_0000 || size.hi.get(page, 0) >= 0x20_0000) continue
    const base = addr.number.get(page, 0)
    const length = size.number.get(page, 0)
    if (length > 0 && base + length < MOST_LIMIT) map.push({ base, length, type: type.get(page, 0) })
  }
  const commandLine = new Uint8Array(START_INFO.fields.cmd_line.size)
  const at = cmd_line_ptr.get(page, 0)
  if (at !== 0) bus.readBytes(at, commandLine)
  const end = commandLine.indexOf(0)
  commandLine.fill(0, end < 0 ? commandLine.length - 1 : end)
  return { map, commandLine }
}

/** @returns the domain's address of it */
function writeStartInfo(domain: CpuBus, list: Uint32Array, shared: number, commandLine: Uint8Array): number {
  const frames = new DataView(new ArrayBuffer(list.length * 8))
  for (let page = 0; page < list.length; page++) frames.setUint32(page * 8, list[page]!, true)
  domain.writeBytes(MFN_LIST, new Uint8Array(frames.buffer))
  const startInfo = startInfoAt(list.length)
  const view = new DataView(new ArrayBuffer(START_INFO.size))
  const { fields } = START_INFO
  fields.magic.set(
    view,
    0,
    Uint8Array.from(START_MAGIC, (letter) => letter.charCodeAt(0)),
  )
  fields.nr_pages.number.set(view, 0, list.length)
  fields.shared_info.number.set(view, 0, shared * PAGE)
  const { SIF_PRIVILEGED, SIF_INITDOMAIN } = START_FLAGS.fields
  fields.flags.set(view, 0, SIF_INITDOMAIN.setLo(SIF_PRIVILEGED.setLo(0, 1), 1))
  fields.mfn_list.hi.set(view, 0, VIRT_BASE_HI)
  fields.mfn_list.lo.set(view, 0, VIRT_BASE_LO + MFN_LIST)
  fields.cmd_line.set(view, 0, commandLine)
  domain.writeBytes(startInfo, new Uint8Array(view.buffer))
  return startInfo
}
