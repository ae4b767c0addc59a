import { NO_PASID, PortTlb, type Translation } from '@dmascope/iommu'
import { VirtioIommuUnit } from '@dmascope/iommu/virtio-iommu'
import { createFlatPort, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, SplitDriverQueue, splitRingLayout } from '@dmascope/virtqueue/driver'
import { makeWorkload, type PageSize, pagesOf, REQUESTER, type Stream } from './iommu-workload.ts'
import type { BenchCase } from './runner.ts'

const FEATURES = { indirect: false, eventIndex: false }
const REQUESTS = 0x1_0000
const SLOT_BYTES = 64
const MEMORY_BYTES = 0x2_0000
/** VIRTIO_F_VERSION_1, and of the device MAP_UNMAP and PROBE. */
const NEGOTIATED = { lo: 0x14, hi: 1 }

/** A unit that has been asked to map the workload's pages one by one, in a domain with the requester. */
function mapped(size: PageSize): VirtioIommuUnit {
  const unit = new VirtioIommuUnit({ maxMappings: 2 ** 20, wake() {} })
  const memory = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(memory.buffer)
  const port = createFlatPort(memory)
  const ringSize = unit.queueSizes[0]!
  const { desc, driver, device } = splitRingLayout(ringSize, 4096)
  const ring = new SplitDriverQueue<number>(createFlatBus(memory), { size: ringSize, desc, driver, device }, FEATURES)
  const place = {
    size: ringSize,
    descHi: 0,
    descLo: desc,
    driverHi: 0,
    driverLo: driver,
    deviceHi: 0,
    deviceLo: device,
  }
  unit.activate([new SplitDeviceQueue(port, place, FEATURES), null], NEGOTIATED, {
    dma: port,
    interrupt() {},
    configChanged() {},
    needsReset(reason) {
      throw new Error(reason)
    },
  })
  const buffers = new BufferList(2)
  const answerAt = (slot: number): number => REQUESTS + slot * SLOT_BYTES + SLOT_BYTES - 4
  const answered = (): void => {
    ring.publish()
    unit.notify(0)
    while (unit.work(ringSize) === 'more');
    while (ring.reap()) {
      const status = memory[ring.reapedToken!]
      if (status !== 0) throw new Error(`a request ended with status ${status}`)
    }
  }
  let slot = 0
  const send = (words: readonly number[]): void => {
    const at = REQUESTS + slot * SLOT_BYTES
    for (const [index, word] of words.entries()) view.setUint32(at + 4 * index, word, true)
    memory[answerAt(slot)] = 0xff
    buffers
      .clear()
      .readable(0, at, words.length * 4)
      .writable(0, answerAt(slot), 4)
    ring.add(buffers, answerAt(slot))
    slot++
    if (slot < ringSize / 2) return
    answered()
    slot = 0
  }
  send([1, 1, REQUESTER, 0, 0])
  const { count, log2Size, start, output } = pagesOf(size)
  const bytes = 2 ** log2Size
  for (let page = 0; page < count; page++) {
    const first = start + page * bytes
    send([3, 1, ...pair(first), ...pair(first + bytes - 1), ...pair(output(page)), 3])
  }
  answered()
  return unit
}

const pair = (value: number): [lo: number, hi: number] => [value % 2 ** 32, Math.floor(value / 2 ** 32)]

function throughUnit(size: PageSize, stream: Stream): () => number {
  const { hi, lo, sum } = makeWorkload(size, stream)
  const unit = mapped(size)
  const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      if (unit.translate(REQUESTER, NO_PASID, 'untranslated', hi[index]!, lo[index]! >>> 0, 1, out) !== 0) return 0
      total = (total + out.lo) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

function throughPort(size: PageSize, stream: Stream): () => number {
  const { hi, lo, sum } = makeWorkload(size, stream)
  const port = new PortTlb(mapped(size), REQUESTER)
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      if (port.lookup(hi[index]!, lo[index]! >>> 0, 1) !== 0) return 0
      total = (total + port.lo) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

/** The least that a search can be: bisection of one array of page numbers, no domains, rights or faults. */
function searchOnly(size: PageSize, stream: Stream): () => number {
  const { hi, lo, sum } = makeWorkload(size, stream)
  const { count, log2Size, start, output } = pagesOf(size)
  const bytes = 2 ** log2Size
  const pages = Int32Array.from({ length: count }, (_, page) => Math.floor((start + page * bytes) / bytes) | 0)
  const outputs = Int32Array.from({ length: count }, (_, page) => output(page) | 0)
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      const low = lo[index]!
      const page = (low >>> log2Size) | (hi[index]! << (32 - log2Size))
      let from = 0
      let to = pages.length - 1
      while (from < to) {
        const middle = (from + to) >>> 1
        if (pages[middle]! < page) from = middle + 1
        else to = middle
      }
      total = (total + (outputs[from]! | (low & (bytes - 1)))) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

/** The unit alone (`walk`: it searches each time), and behind a port's copies (`tlb`). */
export function virtioIommuCases(): BenchCase[] {
  const cases: BenchCase[] = []
  for (const size of ['4k', '2m'] as const) {
    for (const stream of ['rand', 'seq', 'hot'] as const) {
      const id = `iommu-virtio/${size}/${stream}`
      cases.push({ id: `${id}/walk`, prepare: () => throughUnit(size, stream) })
      cases.push({ id: `${id}/tlb`, prepare: () => throughPort(size, stream) })
      cases.push({ id: `floor/${id}/walk`, prepare: () => searchOnly(size, stream) })
    }
  }
  return cases
}
