import type { DmaPort } from '@dmascope/memory'
import { createDeviceQueue, createFlatPort, type DeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createDriverQueue, createFlatBus, type IndirectTable } from '@dmascope/virtqueue/driver'
import type { BenchCase } from './runner.ts'
import {
  AVAIL,
  blocksOf,
  buffersOf,
  chainBytes,
  checkData,
  DESC,
  headOf,
  MEMORY_BYTES,
  makeDisk,
  prefill,
  QUEUE_SIZE,
  tableAddress,
  USED,
  type Workload,
  workloads,
} from './vq-workload.ts'

/** Chains per CPU-second that are wanted of the cases that matter most. */
const TARGETS: Readonly<Record<string, number>> = {
  'vq/direct/1/A/dev': 37.6e6,
  'vq/direct/3/A/dev': 22.6e6,
  'vq/direct/8/A/dev': 10.6e6,
  'vq/indirect/8/A/dev': 9.6e6,
  'vq/direct/3/A/both': 13.9e6,
  'vq/direct/3/B/both': 3.7e6,
  'vq/direct/8/B/both': 2.2e6,
}

const ADDRESSES = {
  size: QUEUE_SIZE,
  descHi: 0,
  descLo: DESC,
  driverHi: 0,
  driverLo: AVAIL,
  deviceHi: 0,
  deviceLo: USED,
}

/** The block device: serves what is available, and answers how many chains that was. */
interface Disk {
  readonly queue: DeviceQueue
  serve(): number
}

function diskA(queue: DeviceQueue): Disk {
  let bytes = 0
  return {
    queue,
    serve() {
      let served = 0
      while (queue.next()) {
        bytes = queue.readableBytes + queue.writableBytes
        queue.complete(queue.writableBytes)
        served++
      }
      if (served > 0 && bytes !== 4096 && bytes !== 4113) throw new Error(`a chain of ${bytes} bytes`)
      return served
    },
  }
}

function diskB(queue: DeviceQueue, disk: Uint8Array): Disk {
  const blocks = blocksOf(disk)
  const header = new Uint8Array(16)
  const status = new Uint8Array(1)
  let chain = 0
  return {
    queue,
    serve() {
      let served = 0
      while (queue.next()) {
        queue.read(0, header)
        queue.write(0, blocks[chain & 0xff]!)
        queue.write(4096, status)
        queue.complete(4097)
        chain++
        served++
      }
      return served
    },
  }
}

/** The disk of a workload on the device half of its queue, at the other end of this port. */
export function deviceOn(port: DmaPort, { kind, work }: Workload, disk: Uint8Array, packed = false): Disk {
  const queue = createDeviceQueue(port, ADDRESSES, { indirect: kind === 'indirect', eventIndex: false, packed })
  return work === 'A' ? diskA(queue) : diskB(queue, disk)
}

function prepareDev(workload: Workload): () => number {
  const memory = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(memory.buffer)
  const disk = makeDisk()
  prefill(view, workload)
  const { slots } = workload
  for (let entry = 0; entry < QUEUE_SIZE; entry++) {
    view.setUint16(AVAIL + 4 + entry * 2, headOf(entry % slots, workload), true)
  }
  const device = deviceOn(createFlatPort(memory), workload, disk)
  let idx = 0
  let chains = 0
  return () => {
    idx = (idx + slots) & 0xffff
    view.setUint16(AVAIL + 2, idx, true)
    if (device.serve() !== slots || view.getUint16(USED + 2, true) !== idx) {
      throw new Error(`${workload.id}: the device stopped: ${device.queue.broken}`)
    }
    chains += slots
    // Entries of the ring are the slots in turn, so the last chain was in the slot of the last entry.
    if (workload.work === 'B') checkData(memory, disk, ((idx - 1) & (QUEUE_SIZE - 1)) % slots, chains - 1)
    return slots
  }
}

function prepareBoth(workload: Workload, packed = false): () => number {
  const memory = new Uint8Array(MEMORY_BYTES)
  const disk = makeDisk()
  const { slots, descriptors, kind } = workload
  const features = { indirect: kind === 'indirect', eventIndex: false, packed }
  const device = deviceOn(createFlatPort(memory), workload, disk, packed)
  const driver = createDriverQueue(
    createFlatBus(memory),
    { size: QUEUE_SIZE, desc: DESC, driver: AVAIL, device: USED },
    features,
  )
  const lists: BufferList[] = []
  const tables: (IndirectTable | null)[] = []
  for (let slot = 0; slot < slots; slot++) {
    const list = new BufferList(descriptors)
    for (const { address, length, writable } of buffersOf(slot, descriptors)) {
      if (writable) list.writable(0, address, length)
      else list.readable(0, address, length)
    }
    lists.push(list)
    tables.push(kind === 'indirect' ? { cpu: tableAddress(slot), hi: 0, lo: tableAddress(slot), capacity: 8 } : null)
  }
  const written = chainBytes(descriptors) - (descriptors === 1 ? 0 : 16)
  let chains = 0
  return () => {
    for (let slot = 0; slot < slots; slot++) {
      if (driver.add(lists[slot]!, slot, tables[slot]!) < 0) throw new Error(`${workload.id}: the ring is full`)
    }
    if (!driver.publish()) throw new Error(`${workload.id}: the device wants no notification`)
    device.serve()
    let reaped = 0
    while (driver.reap()) {
      if (driver.reapedToken !== reaped || driver.reapedLength !== written) {
        throw new Error(
          `${workload.id}: chain ${reaped} came back as ${driver.reapedToken}, ${driver.reapedLength} bytes`,
        )
      }
      reaped++
    }
    if (reaped !== slots)
      throw new Error(`${workload.id}: ${reaped} of ${slots} chains came back: ${device.queue.broken}`)
    chains += slots
    if (workload.work === 'B') checkData(memory, disk, slots - 1, chains - 1)
    return slots
  }
}

/** Our queue, both halves, through the public API. */
export const dmascopeCases = (): BenchCase[] =>
  workloads().map((workload) => ({
    id: workload.id,
    ...(TARGETS[workload.id] !== undefined && { target: TARGETS[workload.id]! }),
    prepare: () => (workload.sides === 'dev' ? prepareDev(workload) : prepareBoth(workload)),
  }))

/** The same through packed rings. A device writes over their descriptors, so that there is nothing to prefill. */
export const packedCases = (): BenchCase[] =>
  workloads()
    .filter(({ sides }) => sides === 'both')
    .map((workload) => ({ id: workload.id.replace(/^vq/, 'vq/packed'), prepare: () => prepareBoth(workload, true) }))
