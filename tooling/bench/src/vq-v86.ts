import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { V86 } from 'v86'
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
  putDescriptor,
  QUEUE_SIZE,
  tableAddress,
  USED,
  type Workload,
  workloads,
} from './vq-workload.ts'

interface BufferChain {
  head_idx: number
  length_readable: number
  length_writable: number
  length_written: number
  get_next_blob(into: Uint8Array): number
  set_next_blob(from: Uint8Array): number
}

interface VirtQueue {
  desc_addr: number
  avail_addr: number
  used_addr: number
  enable(): void
  has_request(): boolean
  pop_request(): BufferChain
  push_reply(chain: BufferChain): void
  flush_replies(): void
}

type VirtQueueClass = new (
  cpu: unknown,
  virtio: unknown,
  options: { size_supported: number; notify_offset: number },
) => VirtQueue

/**
 * What the minifier left of a log line in v86's release build: five numbers are made into text for each descriptor and
 * thrown away, which is 70 % of the queue's time. It is not the queue's work, so it is taken out.
 */
const LOG_REMAINS =
  /y\(h\.addr_high,\s*8\);y\(h\.addr_low,\s*8\);y\(h\.len,\s*8\);y\(h\.flags,\s*4\);y\(h\.next,\s*4\);/

async function loadV86(build: string, published: boolean): Promise<typeof V86> {
  const source = readFileSync(join(build, 'libv86.mjs'), 'utf8')
  if (published) return (await import('v86')).V86
  if (!LOG_REMAINS.test(source)) throw new Error('this is another v86 than the one that the benchmark was written for')
  const path = fileURLToPath(new URL('./v86-without-log-text.mjs', import.meta.url))
  writeFileSync(path, source.replace(LOG_REMAINS, ''))
  return ((await import(pathToFileURL(path).href)) as { V86: typeof V86 }).V86
}

/**
 * v86 does not export its queue, but an emulator with a virtio network card has some: their class is what is measured,
 * on memory that is as simple as ours.
 */
async function findVirtQueue(published: boolean): Promise<VirtQueueClass> {
  const build = dirname(createRequire(import.meta.url).resolve('v86'))
  const V86 = await loadV86(build, published)
  const emulator = new V86({
    wasm_path: join(build, 'v86.wasm'),
    bios: { buffer: new ArrayBuffer(0x1_0000) },
    memory_size: MEMORY_BYTES,
    vga_memory_size: 1 << 20,
    net_device: { type: 'virtio' },
    disable_speaker: true,
    autostart: false,
  })
  await new Promise<void>((ready) => emulator.add_listener('emulator-ready', () => ready()))
  const { v86 } = emulator as unknown as {
    v86: { cpu: { devices: { virtio_net: { virtio: { queues: { constructor: VirtQueueClass }[] } } } } }
  }
  const found = v86.cpu.devices.virtio_net.virtio.queues[0]!.constructor
  await emulator.destroy()
  return found
}

/** The memory accesses that the queue makes of a CPU. */
class FlatCpu {
  readonly bytes: Uint8Array
  readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
  }
  read16(address: number): number {
    return this.view.getUint16(address, true)
  }
  read32s(address: number): number {
    return this.view.getInt32(address, true)
  }
  write16(address: number, value: number): void {
    this.view.setUint16(address, value, true)
  }
  write32(address: number, value: number): void {
    this.view.setUint32(address, value, true)
  }
  read_blob(address: number, length: number): Uint8Array {
    return this.bytes.subarray(address, address + length)
  }
  write_blob(from: Uint8Array, address: number): void {
    this.bytes.set(from, address)
  }
}

function prepare(VirtQueue: VirtQueueClass, workload: Workload): () => number {
  const { slots, descriptors, kind, work, sides } = workload
  const memory = new Uint8Array(MEMORY_BYTES)
  const view = new DataView(memory.buffer)
  const disk = makeDisk()
  const virtio = {
    is_feature_negotiated: (bit: number) => bit === 28 && kind === 'indirect',
    raise_irq: () => {},
  }
  const queue = new VirtQueue(new FlatCpu(memory), virtio, { size_supported: QUEUE_SIZE, notify_offset: 0 })
  queue.desc_addr = DESC
  queue.avail_addr = AVAIL
  queue.used_addr = USED
  queue.enable()
  prefill(view, workload)
  for (let entry = 0; entry < QUEUE_SIZE; entry++) {
    view.setUint16(AVAIL + 4 + entry * 2, headOf(entry % slots, workload), true)
  }
  const blocks = blocksOf(disk)
  const header = new Uint8Array(16)
  const status = new Uint8Array(1)
  const written = descriptors === 1 ? 4096 : 4097
  const perSlot = Array.from({ length: slots }, (_, slot) => buffersOf(slot, descriptors))
  let idx = 0
  let chains = 0

  const serve = (): number => {
    let served = 0
    while (queue.has_request()) {
      const chain = queue.pop_request()
      if (work === 'B') {
        chain.get_next_blob(header)
        chain.set_next_blob(blocks[chains & 0xff]!)
        chain.set_next_blob(status)
      } else {
        if (chain.length_readable + chain.length_writable !== chainBytes(descriptors)) throw new Error(workload.id)
        chain.length_written = chain.length_writable
      }
      queue.push_reply(chain)
      // used.idx is published per chain.
      queue.flush_replies()
      chains++
      served++
    }
    return served
  }

  // v86 has no driver half: the driver's side is the floor's.
  const fill = (): void => {
    for (let slot = 0; slot < slots; slot++) {
      const buffers = perSlot[slot]!
      const first = kind === 'direct' ? slot * descriptors : 0
      const table = kind === 'direct' ? DESC : tableAddress(slot)
      for (let part = 0; part < descriptors; part++) {
        const { address, length, writable } = buffers[part]!
        const more = part + 1 < descriptors
        const flags = (writable ? 2 : 0) | (more ? 1 : 0)
        putDescriptor(view, table + (first + part) * 16, address, length, flags, more ? first + part + 1 : 0)
      }
      if (kind === 'indirect') putDescriptor(view, DESC + slot * 16, table, descriptors * 16, 4, 0)
      view.setUint16(AVAIL + 4 + ((idx + slot) & (QUEUE_SIZE - 1)) * 2, headOf(slot, workload), true)
    }
  }

  return () => {
    if (sides === 'both') fill()
    const before = idx
    idx = (idx + slots) & 0xffff
    view.setUint16(AVAIL + 2, idx, true)
    if (serve() !== slots || view.getUint16(USED + 2, true) !== idx) throw new Error(`v86 ${workload.id}`)
    if (sides === 'both') {
      for (let slot = 0; slot < slots; slot++) {
        const elem = USED + 4 + ((before + slot) & (QUEUE_SIZE - 1)) * 8
        if (view.getUint32(elem, true) !== headOf(slot, workload) || view.getUint32(elem + 4, true) !== written) {
          throw new Error(`v86 ${workload.id}: slot ${slot}`)
        }
      }
    }
    if (work === 'B' && sides === 'both') checkData(memory, disk, slots - 1, chains - 1)
    return slots
  }
}

/** v86's queue at the same work, without the log text. */
export async function v86Cases(): Promise<BenchCase[]> {
  const VirtQueue = await findVirtQueue(false)
  return workloads().map((workload) => ({ id: `v86/${workload.id}`, prepare: () => prepare(VirtQueue, workload) }))
}

/** The same with the log text, as it is published; apart, since two classes at a call site slow each other down. */
export async function publishedV86Cases(): Promise<BenchCase[]> {
  const VirtQueue = await findVirtQueue(true)
  return workloads()
    .filter(({ work, sides }) => work === 'A' && sides === 'dev')
    .map((workload) => ({
      id: `v86-as-published/${workload.id}`,
      prepare: () => prepare(VirtQueue, workload),
    }))
}
