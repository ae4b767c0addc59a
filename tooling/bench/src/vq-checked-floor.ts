import { type BenchCase, reusable } from './runner.ts'
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
  USED,
  type Workload,
  workloads,
} from './vq-workload.ts'

const NEXT = 1
const WRITE = 2
const INDIRECT = 4
const MASK = QUEUE_SIZE - 1
const AVAIL_HALVES = AVAIL >>> 1
const USED_HALVES = USED >>> 1
const USED_WORDS = USED >>> 2

/** The cases whose target is missed, and what they are compared with. */
const CHECKED = /^vq\/(direct\/3\/[AB]\/both|direct\/8\/B\/both|indirect\/8\/A\/dev)$/

/**
 * The device of the floor, with what a queue must know beyond that: whole addresses, each buffer kept for the device to
 * copy to and from, readable ones first, no empty one, none that wraps, chains in flight, and copies at any offset that
 * stay within what the chain has. One function on typed arrays, without classes, ports, views that end, or a ledger.
 */
function makeCheckedDevice(memory: Uint8Array, { work }: Workload, disk: Uint8Array): () => number {
  const words = new Uint32Array(memory.buffer)
  const halves = new Uint16Array(memory.buffer)
  const buffers = new Uint32Array(3 * QUEUE_SIZE)
  const blocks = blocksOf(disk)
  const header = new Uint8Array(16)
  const status = new Uint8Array(1)
  const size = memory.length
  let last = 0
  let used = 0
  let chain = 0
  let count = 0
  let readableCount = 0
  let readableBytes = 0
  let writableBytes = 0

  const read = (offset: number, into: Uint8Array): void => {
    if (offset < 0 || offset + into.length > readableBytes) throw new RangeError('read')
    let index = 0
    let skip = offset
    while (skip >= buffers[index + 2 * QUEUE_SIZE]!) skip -= buffers[index++ + 2 * QUEUE_SIZE]!
    for (let done = 0; done < into.length; index++) {
      const run = Math.min(buffers[index + 2 * QUEUE_SIZE]! - skip, into.length - done)
      const at = buffers[index]! + skip
      if (buffers[index + QUEUE_SIZE] !== 0 || at + run > size) throw new Error('address')
      for (let byte = 0; byte < run; byte++) into[done + byte] = memory[at + byte]!
      done += run
      skip = 0
    }
  }

  const write = (offset: number, from: Uint8Array): void => {
    if (offset < 0 || offset + from.length > writableBytes) throw new RangeError('write')
    let index = readableCount
    let skip = offset
    while (skip >= buffers[index + 2 * QUEUE_SIZE]!) skip -= buffers[index++ + 2 * QUEUE_SIZE]!
    for (let done = 0; done < from.length; index++) {
      const run = Math.min(buffers[index + 2 * QUEUE_SIZE]! - skip, from.length - done)
      const at = buffers[index]! + skip
      if (buffers[index + QUEUE_SIZE] !== 0 || at + run > size) throw new Error('address')
      if (run <= 32) for (let byte = 0; byte < run; byte++) memory[at + byte] = from[done + byte]!
      else memory.set(run === from.length ? from : from.subarray(done, done + run), at)
      done += run
      skip = 0
    }
  }

  return () => {
    const available = halves[AVAIL_HALVES + 1]!
    if (((available - last) & 0xffff) > QUEUE_SIZE) throw new Error('avail.idx')
    let served = 0
    while (last !== available) {
      const head = halves[AVAIL_HALVES + 2 + (last & MASK)]!
      if (head >= QUEUE_SIZE) throw new Error('head')
      let base = DESC >>> 2
      let entries = QUEUE_SIZE
      let index = head
      count = 0
      readableCount = 0
      readableBytes = 0
      writableBytes = 0
      for (;;) {
        const at = base + index * 4
        const lo = words[at]!
        const hi = words[at + 1]!
        const bytes = words[at + 2]!
        const flagsNext = words[at + 3]!
        if ((flagsNext & INDIRECT) !== 0) {
          if (base !== DESC >>> 2 || bytes === 0 || (bytes & 15) !== 0 || (flagsNext & NEXT) !== 0) {
            throw new Error('indirect')
          }
          if (hi !== 0 || lo + bytes > size || (lo & 3) !== 0) throw new Error('table')
          base = lo >>> 2
          entries = bytes >>> 4
          index = 0
          continue
        }
        if (bytes === 0) throw new Error('empty')
        if (hi === 0xffff_ffff && lo + bytes > 0x1_0000_0000) throw new Error('wraps')
        if (count >= entries) throw new Error('loop')
        if ((flagsNext & WRITE) !== 0) writableBytes += bytes
        else if (readableCount === count) {
          readableCount = count + 1
          readableBytes += bytes
        } else throw new Error('order')
        buffers[count] = lo
        buffers[count + QUEUE_SIZE] = hi
        buffers[count + 2 * QUEUE_SIZE] = bytes
        count++
        if ((flagsNext & NEXT) === 0) break
        index = flagsNext >>> 16
        if (index >= entries) throw new Error('next')
      }
      last = (last + 1) & 0xffff
      if (work === 'B') {
        read(0, header)
        write(0, blocks[chain & 0xff]!)
        write(4096, status)
      } else if (readableBytes + writableBytes < 4096) throw new Error('length')
      if (used === last) throw new Error('nothing is in flight')
      const elem = USED_WORDS + 1 + (used & MASK) * 2
      words[elem] = head
      words[elem + 1] = writableBytes
      used = (used + 1) & 0xffff
      halves[USED_HALVES + 1] = used
      chain++
      served++
    }
    return served
  }
}

function prepareDev(workload: Workload): () => number {
  const memory = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(memory.buffer)
  const { slots } = workload
  prefill(view, workload)
  for (let entry = 0; entry < QUEUE_SIZE; entry++) {
    view.setUint16(AVAIL + 4 + entry * 2, headOf(entry % slots, workload), true)
  }
  const serve = makeCheckedDevice(memory, workload, makeDisk())
  let idx = 0
  return () => {
    idx = (idx + slots) & 0xffff
    view.setUint16(AVAIL + 2, idx, true)
    if (serve() !== slots || view.getUint16(USED + 2, true) !== idx) throw new Error(workload.id)
    return slots
  }
}

/** A driver that knows what is free and what is in flight, for direct chains. */
function prepareBoth(workload: Workload): () => number {
  const memory = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(memory.buffer)
  const disk = makeDisk()
  const { slots, descriptors, work } = workload
  const serve = makeCheckedDevice(memory, workload, disk)
  const requests = Array.from({ length: slots }, (_, slot) => {
    const buffers = buffersOf(slot, descriptors)
    return {
      count: buffers.length,
      readableCount: buffers.filter(({ writable }) => !writable).length,
      words: Uint32Array.from(buffers.flatMap(({ address, length }) => [address, 0, length])),
    }
  })
  const links = Uint16Array.from({ length: QUEUE_SIZE }, (_, index) => (index + 1) & MASK)
  const chainLength = new Uint16Array(QUEUE_SIZE)
  const chainLast = new Uint16Array(QUEUE_SIZE)
  const tokens = new Array<number>(QUEUE_SIZE).fill(0)
  let free = QUEUE_SIZE
  let freeHead = 0
  let added = 0
  let seen = 0
  let reapedToken = 0
  let reapedLength = 0

  const add = ({ count, readableCount, words }: (typeof requests)[number], token: number): void => {
    if (free < count) throw new Error('full')
    const head = freeHead
    let index = head
    for (let part = 0; ; part++) {
      const at = DESC + index * 16
      const next = links[index]!
      view.setUint32(at, words[part * 3]!, true)
      view.setUint32(at + 4, words[part * 3 + 1]!, true)
      view.setUint32(at + 8, words[part * 3 + 2]!, true)
      const flags = (part < readableCount ? 0 : WRITE) | (part < count - 1 ? NEXT : 0)
      view.setUint32(at + 12, flags | (next << 16), true)
      if (part === count - 1) break
      index = next
    }
    freeHead = links[index]!
    chainLast[head] = index
    chainLength[head] = count
    free -= count
    tokens[head] = token
    view.setUint16(AVAIL + 4 + (added & MASK) * 2, head, true)
    added = (added + 1) & 0xffff
  }

  const reap = (done: number): boolean => {
    if (seen === done) return false
    const elem = USED + 4 + (seen & MASK) * 8
    const id = view.getUint32(elem, true)
    const count = id < QUEUE_SIZE ? chainLength[id]! : 0
    if (count === 0) throw new Error('id')
    reapedToken = tokens[id]!
    reapedLength = view.getUint32(elem + 4, true)
    chainLength[id] = 0
    links[chainLast[id]!] = freeHead
    freeHead = id
    free += count
    seen = (seen + 1) & 0xffff
    return true
  }

  const written = chainBytes(descriptors) - (descriptors === 1 ? 0 : 16)
  let chains = 0
  return () => {
    for (let slot = 0; slot < slots; slot++) add(requests[slot]!, slot)
    view.setUint16(AVAIL + 2, added, true)
    serve()
    const done = view.getUint16(USED + 2, true)
    let reaped = 0
    while (reap(done)) {
      if (reapedToken !== reaped || reapedLength !== written) throw new Error(`${workload.id}: ${reaped}`)
      reaped++
    }
    if (reaped !== slots) throw new Error(workload.id)
    chains += slots
    if (work === 'B') checkData(memory, disk, slots - 1, chains - 1)
    return slots
  }
}

/** Plain JavaScript, fit to serve more than one queue, that makes the checks and keeps the books that the public API does. */
export const checkedCases = (): BenchCase[] =>
  workloads()
    .filter(({ id }) => CHECKED.test(id))
    .map((workload) => ({
      id: `checked/${workload.id}`,
      prepare: () => reusable(() => (workload.sides === 'dev' ? prepareDev(workload) : prepareBoth(workload))),
    }))
