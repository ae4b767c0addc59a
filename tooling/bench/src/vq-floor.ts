import type { BenchCase } from './runner.ts'
import {
  AVAIL,
  blocksOf,
  buffersOf,
  checkData,
  DESC,
  headOf,
  MEMORY_BYTES,
  makeDisk,
  prefill,
  putDescriptor,
  QUEUE_SIZE,
  tableAddress,
  USED,
  type Workload,
  workloads,
} from './vq-workload.ts'

const NEXT = 1
const WRITE = 2
const INDIRECT = 4

/**
 * The least that plain JavaScript can do for the same work: one flat DataView, no classes, no ports, no faults, no
 * ledger; the checks of the workload alone. A bad ring throws.
 */
function makeFloorDevice(memory: Uint8Array, { work }: Workload, disk: Uint8Array): () => number {
  const view = new DataView(memory.buffer)
  const addresses = new Uint32Array(QUEUE_SIZE)
  const lengths = new Uint32Array(QUEUE_SIZE)
  const blocks = blocksOf(disk)
  const size = memory.length
  let last = 0
  let used = 0
  let chain = 0

  return () => {
    const available = view.getUint16(AVAIL + 2, true)
    let served = 0
    while (last !== available) {
      const head = view.getUint16(AVAIL + 4 + (last & (QUEUE_SIZE - 1)) * 2, true)
      if (head >= QUEUE_SIZE) throw new Error('head')
      let table = DESC
      let entries = QUEUE_SIZE
      let index = head
      let count = 0
      let total = 0
      let written = 0
      for (;;) {
        const at = table + index * 16
        const address = view.getUint32(at, true)
        const length = view.getUint32(at + 8, true)
        const flags = view.getUint16(at + 12, true)
        if (view.getUint32(at + 4, true) !== 0 || address + length > size) throw new Error('address')
        if ((flags & INDIRECT) !== 0) {
          if (table !== DESC || length % 16 !== 0) throw new Error('indirect')
          table = address
          entries = length >>> 4
          index = 0
          continue
        }
        if (count >= entries) throw new Error('loop')
        addresses[count] = address
        lengths[count] = length
        count++
        total += length
        if ((flags & WRITE) !== 0) written += length
        if ((flags & NEXT) === 0) break
        index = view.getUint16(at + 14, true)
        if (index >= entries) throw new Error('next')
      }
      if (work === 'B') {
        if (view.getUint32(addresses[0]!, true) !== 0) throw new Error('header')
        const block = blocks[chain & 0xff]!
        let from = 0
        for (let part = 1; part < count - 1; part++) {
          const length = lengths[part]!
          memory.set(length === 4096 ? block : block.subarray(from, from + length), addresses[part]!)
          from += length
        }
        view.setUint8(addresses[count - 1]!, 0)
      } else if (total < 4096) throw new Error('length')
      const elem = USED + 4 + (used & (QUEUE_SIZE - 1)) * 8
      view.setUint32(elem, head, true)
      view.setUint32(elem + 4, written, true)
      used = (used + 1) & 0xffff
      view.setUint16(USED + 2, used, true)
      last = (last + 1) & 0xffff
      chain++
      served++
    }
    return served
  }
}

function prepareDev(workload: Workload): () => number {
  const memory = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(memory.buffer)
  const disk = makeDisk()
  const { slots } = workload
  prefill(view, workload)
  for (let entry = 0; entry < QUEUE_SIZE; entry++) {
    view.setUint16(AVAIL + 4 + entry * 2, headOf(entry % slots, workload), true)
  }
  const serve = makeFloorDevice(memory, workload, disk)
  let idx = 0
  return () => {
    idx = (idx + slots) & 0xffff
    view.setUint16(AVAIL + 2, idx, true)
    if (serve() !== slots || view.getUint16(USED + 2, true) !== idx) throw new Error(workload.id)
    return slots
  }
}

function prepareBoth(workload: Workload): () => number {
  const memory = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(memory.buffer)
  const disk = makeDisk()
  const { slots, descriptors, kind, work } = workload
  const serve = makeFloorDevice(memory, workload, disk)
  const perSlot = Array.from({ length: slots }, (_, slot) => buffersOf(slot, descriptors))
  const addresses = Uint32Array.from(perSlot.flatMap((buffers) => buffers.map(({ address }) => address)))
  const lengths = Uint32Array.from(perSlot.flatMap((buffers) => buffers.map(({ length }) => length)))
  const flags = Uint16Array.from(perSlot.flatMap((buffers) => buffers.map(({ writable }) => (writable ? WRITE : 0))))
  const written = descriptors === 1 ? 4096 : 4097
  let idx = 0
  let seen = 0
  let chains = 0
  return () => {
    for (let slot = 0; slot < slots; slot++) {
      const first = kind === 'direct' ? slot * descriptors : 0
      const table = kind === 'direct' ? DESC : tableAddress(slot)
      for (let part = 0; part < descriptors; part++) {
        const more = part + 1 < descriptors
        const source = slot * descriptors + part
        putDescriptor(
          view,
          table + (first + part) * 16,
          addresses[source]!,
          lengths[source]!,
          flags[source]! | (more ? NEXT : 0),
          more ? first + part + 1 : 0,
        )
      }
      if (kind === 'indirect') putDescriptor(view, DESC + slot * 16, table, descriptors * 16, INDIRECT, 0)
      view.setUint16(AVAIL + 4 + ((idx + slot) & (QUEUE_SIZE - 1)) * 2, headOf(slot, workload), true)
    }
    idx = (idx + slots) & 0xffff
    view.setUint16(AVAIL + 2, idx, true)
    serve()
    const done = view.getUint16(USED + 2, true)
    let slot = 0
    while (seen !== done) {
      const elem = USED + 4 + (seen & (QUEUE_SIZE - 1)) * 8
      if (view.getUint32(elem, true) !== headOf(slot, workload) || view.getUint32(elem + 4, true) !== written) {
        throw new Error(`${workload.id}: slot ${slot}`)
      }
      seen = (seen + 1) & 0xffff
      slot++
    }
    if (slot !== slots) throw new Error(workload.id)
    chains += slots
    if (work === 'B') checkData(memory, disk, slots - 1, chains - 1)
    return slots
  }
}

/** What a JavaScript program could do at best: how much of that our public API costs is the ratio. */
export const floorCases = (): BenchCase[] =>
  workloads().map((workload) => ({
    id: `floor/${workload.id}`,
    prepare: () => (workload.sides === 'dev' ? prepareDev(workload) : prepareBoth(workload)),
  }))
