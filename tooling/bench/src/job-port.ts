import { createMachine, type Machine, type MachineDescription } from '@dmascope/machine'
import type { DmaPort } from '@dmascope/memory'
import { ConfigSpace, type PciFunction } from '@dmascope/pci'
import { BufferList, SplitDriverQueue } from '@dmascope/virtqueue/driver'
import type { BenchCase } from './runner.ts'
import { deviceOn } from './vq-dmascope.ts'
import {
  AVAIL,
  buffersOf,
  chainBytes,
  DESC,
  dataAddress,
  headOf,
  MEMORY_BYTES,
  makeDisk,
  prefill,
  QUEUE_SIZE,
  statusAddress,
  USED,
  type Workload,
  workloads,
} from './vq-workload.ts'

/** Where the workload's memory lies: bus addresses are those of the workload, and lead here where they are translated. */
const RAM = 0x200_0000
const VTD = 0xfed9_0000
/** Root table, context table, four levels of page tables: below the workload's memory. */
const TABLES = 0x180_0000
const PAGE = 0x1000
const FUNCTION = { device: 20, fn: 0, id: '0000:00:14.0', devfn: 20 << 3 } as const

/** A function that is nothing but its way to memory. */
class PortHolder implements PciFunction {
  readonly config = new ConfigSpace({ vendorId: 0x1234, deviceId: 0x5678, classCode: 0xff_0000 })
  port: DmaPort | null = null

  connect(port: DmaPort): void {
    this.port = port
  }
  readBar(): void {}
  writeBar(): void {}
  work(): 'idle' {
    return 'idle'
  }
  reset(): void {}
}

const DESCRIPTION: MachineDescription = {
  machine: 'q35',
  qemuVersion: '11.1',
  name: 'port',
  source: 'file',
  memory: 2 ** 28,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices: [{ model: 'intel-iommu', properties: {}, location: { text: 'benchmark' } }],
  append: '',
  ignored: [],
}

/** Has the unit translate the function's first 16 MiB to `RAM`, a page of 4 KiB at a time; all as software does it. */
function programIommu({ bus }: Machine): void {
  const entry = (address: number, low: number, high = 0): void => {
    bus.write32(address, low >>> 0)
    bus.write32(address + 4, high)
  }
  const [root, context, ...levels] = [0, 1, 2, 3, 4].map((index) => TABLES + index * PAGE) as [
    number,
    number,
    ...number[],
  ]
  entry(root, context | 1)
  entry(context + FUNCTION.devfn * 16, levels[0]! | 1)
  // Four levels, domain 1.
  entry(context + FUNCTION.devfn * 16 + 8, 2 | (1 << 8))
  entry(levels[0]!, levels[1]! | 3)
  entry(levels[1]!, levels[2]! | 3)
  for (let table = 0; table < MEMORY_BYTES / PAGE / 512; table++) {
    const leaf = TABLES + (5 + table) * PAGE
    entry(levels[2]! + table * 8, leaf | 3)
    for (let page = 0; page < 512; page++) entry(leaf + page * 8, (RAM + (table * 512 + page) * PAGE) | 3)
  }
  bus.write32(VTD + 0x20, root)
  bus.write32(VTD + 0x24, 0)
  bus.write32(VTD + 0x18, 0x4000_0000)
  bus.write32(VTD + 0x18, 0x8000_0000)
}

/** A machine with one function, behind the unit or past it, whose accesses are judged against a grant as in a boot. */
function machineFor(translated: boolean): { machine: Machine; port: DmaPort; physical: number } {
  const { machine } = createMachine(DESCRIPTION)
  const holder = new PortHolder()
  const iommu = machine.iommus[0] ?? null
  machine.plug({
    function: holder,
    model: 'benchmark',
    described: null,
    ...FUNCTION,
    dmaThrough: translated ? iommu : null,
    messagesThrough: iommu,
  })
  holder.config.write(0x04, 2, 4)
  const physical = translated ? RAM : 0
  if (translated) programIommu(machine)
  machine.endFirmwarePhase()
  machine.witness.grant(FUNCTION.id, physical, MEMORY_BYTES, 3, 'benchmark')
  if (holder.port === null) throw new Error('the machine has not connected the function')
  return { machine, port: holder.port, physical }
}

/** The tables and rings of a prefilled workload, at their addresses in the machine. The ROM's area stays out of it. */
function place({ bus }: Machine, physical: number, workload: Workload): void {
  const image = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(image.buffer)
  prefill(view, workload)
  for (let entry = 0; entry < QUEUE_SIZE; entry++) {
    view.setUint16(AVAIL + 4 + entry * 2, headOf(entry % workload.slots, workload), true)
  }
  bus.writeBytes(physical, image.subarray(0, 0xa_0000))
}

/** Whether the bytes of the disk are where the last chain wanted them; by sample. */
function checkCopied({ bus }: Machine, physical: number, disk: Uint8Array, slot: number, chain: number): void {
  const from = (chain % 256) * 4096
  for (let at = 0; at < 4096; at += 511) {
    if (bus.read8(physical + dataAddress(slot) + at) !== disk[from + at]) throw new Error(`chain ${chain}: byte ${at}`)
  }
  if (bus.read8(physical + statusAddress(slot)) !== 0) throw new Error(`chain ${chain}: the status is wrong`)
}

function prepareDev(workload: Workload, translated: boolean): () => number {
  const { machine, port, physical } = machineFor(translated)
  place(machine, physical, workload)
  const device = deviceOn(port, workload, makeDisk())
  const { slots } = workload
  const { bus } = machine
  let idx = 0
  return () => {
    idx = (idx + slots) & 0xffff
    bus.write16(physical + AVAIL + 2, idx)
    if (device.serve() !== slots || bus.read16(physical + USED + 2) !== idx) {
      throw new Error(`${workload.id}: the device stopped: ${device.queue.broken}`)
    }
    return slots
  }
}

function prepareBoth(workload: Workload, translated: boolean): () => number {
  const { machine, port, physical } = machineFor(translated)
  const { slots, descriptors } = workload
  const disk = makeDisk()
  const device = deviceOn(port, workload, disk)
  const driver = new SplitDriverQueue<number>(
    machine.bus,
    { size: QUEUE_SIZE, desc: physical + DESC, driver: physical + AVAIL, device: physical + USED },
    { indirect: false, eventIndex: false },
  )
  const lists = Array.from({ length: slots }, (_, slot) => {
    const list = new BufferList(descriptors)
    for (const { address, length, writable } of buffersOf(slot, descriptors)) {
      if (writable) list.writable(0, address, length)
      else list.readable(0, address, length)
    }
    return list
  })
  const written = chainBytes(descriptors) - 16
  let chains = 0
  return () => {
    for (let slot = 0; slot < slots; slot++) {
      if (driver.add(lists[slot]!, slot, null) < 0) throw new Error(`${workload.id}: the ring is full`)
    }
    driver.publish()
    device.serve()
    let reaped = 0
    while (driver.reap()) {
      if (driver.reapedToken !== reaped || driver.reapedLength !== written) {
        throw new Error(`${workload.id}: chain ${reaped} came back as ${driver.reapedToken}`)
      }
      reaped++
    }
    if (reaped !== slots) throw new Error(`${workload.id}: ${reaped} of ${slots} came back: ${device.queue.broken}`)
    chains += slots
    checkCopied(machine, physical, disk, slots - 1, chains - 1)
    return slots
  }
}

const CASES = ['vq/direct/3/A/dev', 'vq/direct/3/B/both']

/**
 * The virtqueue workload through a port of a machine, with every access counted and judged: behind VT-d with a warm
 * IOTLB, and for comparison past it.
 */
export const portCases = (): BenchCase[] =>
  workloads()
    .filter(({ id }) => CASES.includes(id))
    .flatMap((workload) => {
      const prepare = (translated: boolean) => () =>
        workload.sides === 'dev' ? prepareDev(workload, translated) : prepareBoth(workload, translated)
      const id = workload.id.replace(/^vq/, 'vq-iommu')
      return [
        { id, prepare: prepare(true), leastOf: { reference: 'no-iommu', ratio: 0.5 } },
        { id: `no-iommu/${id}`, prepare: prepare(false) },
      ]
    })
