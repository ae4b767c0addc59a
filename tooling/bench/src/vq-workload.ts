/** The virtqueue workload: a block device of 256 entries in 16 MiB of flat memory, 4 KiB to the guest per chain. */
export const MEMORY_BYTES = 16 << 20
const DISK_BYTES = 1 << 20
export const QUEUE_SIZE = 256
export const DESC = 0x1000
export const AVAIL = 0x2000
export const USED = 0x3000
export const tableAddress = (slot: number): number => 0x10000 + slot * 128
const headerAddress = (slot: number): number => 0x80000 + slot * 32
export const statusAddress = (slot: number): number => headerAddress(slot) + 16
export const dataAddress = (slot: number): number => 0x10_0000 + slot * 4096

type Kind = 'direct' | 'indirect'
export type Descriptors = 1 | 3 | 8
/** A: the device walks the chain and sums its lengths. B: it reads the header, copies 4 KiB, writes the status. */
type Work = 'A' | 'B'
/** `both`: the driver fills the ring and reaps it; `dev`: it is prefilled, and the driver only moves `avail.idx`. */
type Sides = 'both' | 'dev'

export interface Workload {
  readonly id: string
  readonly kind: Kind
  readonly descriptors: Descriptors
  readonly work: Work
  readonly sides: Sides
  /** Chains that are in the ring at once. */
  readonly slots: number
}

export interface Buffer {
  readonly address: number
  readonly length: number
  readonly writable: boolean
}

const DATA_LENGTHS: Readonly<Record<Descriptors, readonly number[]>> = {
  1: [4096],
  3: [4096],
  8: [512, 512, 1024, 1024, 512, 512],
}

/** The buffers of a slot's chain: header, data, status; only the data where there is one descriptor. */
export function buffersOf(slot: number, descriptors: Descriptors): Buffer[] {
  let address = dataAddress(slot)
  const data = DATA_LENGTHS[descriptors].map((length) => {
    const buffer = { address, length, writable: true }
    address += length
    return buffer
  })
  if (descriptors === 1) return data
  const header = { address: headerAddress(slot), length: 16, writable: false }
  return [header, ...data, { address: statusAddress(slot), length: 1, writable: true }]
}

/** Bytes that a chain's lengths sum to. */
export const chainBytes = (descriptors: Descriptors): number => (descriptors === 1 ? 4096 : 16 + 4096 + 1)

export function workloads(): Workload[] {
  const made: Workload[] = []
  for (const kind of ['direct', 'indirect'] as const) {
    for (const descriptors of [1, 3, 8] as const) {
      for (const work of ['A', 'B'] as const) {
        // One descriptor has no header and no status: there is no request to serve.
        if (work === 'B' && descriptors === 1) continue
        for (const sides of ['both', 'dev'] as const) {
          made.push({
            id: `vq/${kind}/${descriptors}/${work}/${sides}`,
            kind,
            descriptors,
            work,
            sides,
            slots: kind === 'indirect' ? QUEUE_SIZE : Math.floor(QUEUE_SIZE / descriptors),
          })
        }
      }
    }
  }
  return made
}

/** A disk whose every block is different, so that a copy from a wrong place is found out. */
export function makeDisk(): Uint8Array {
  const disk = new Uint8Array(DISK_BYTES)
  for (let at = 0; at < disk.length; at++) disk[at] = (at * 31 + (at >> 12) * 7) & 0xff
  return disk
}

/** The disk's blocks of 4 KiB, in views that are made once, as a disk that holds blocks has them. */
export const blocksOf = (disk: Uint8Array): Uint8Array[] =>
  Array.from({ length: disk.length / 4096 }, (_, block) => disk.subarray(block * 4096, (block + 1) * 4096))

/** Whether the data of the last `slots` chains before chain number `done` is in memory; checked by sample. */
export function checkData(memory: Uint8Array, disk: Uint8Array, slot: number, chain: number): void {
  const from = (chain % 256) * 4096
  for (let at = 0; at < 4096; at += 511) {
    if (memory[dataAddress(slot) + at] !== disk[from + at]) throw new Error(`chain ${chain}: byte ${at} is wrong`)
  }
  if (memory[statusAddress(slot)] !== 0) throw new Error(`chain ${chain}: the status is wrong`)
}

const NEXT = 1
const WRITE = 2
const INDIRECT = 4

/** Writes one descriptor. */
export function putDescriptor(
  view: DataView,
  at: number,
  address: number,
  length: number,
  flags: number,
  next: number,
): void {
  view.setUint32(at, address, true)
  view.setUint32(at + 4, 0, true)
  view.setUint32(at + 8, length, true)
  view.setUint16(at + 12, flags, true)
  view.setUint16(at + 14, next, true)
}

/** Writes every chain and fills all of the available ring with the slots in turn, for the `dev` cases. */
export function prefill(view: DataView, { kind, descriptors, slots }: Workload): void {
  for (let slot = 0; slot < slots; slot++) {
    const buffers = buffersOf(slot, descriptors)
    const first = kind === 'direct' ? slot * descriptors : 0
    const table = kind === 'direct' ? DESC : tableAddress(slot)
    buffers.forEach(({ address, length, writable }, index) => {
      const last = index === buffers.length - 1
      const flags = (writable ? WRITE : 0) | (last ? 0 : NEXT)
      putDescriptor(view, table + (first + index) * 16, address, length, flags, last ? 0 : first + index + 1)
    })
    if (kind === 'indirect') putDescriptor(view, DESC + slot * 16, tableAddress(slot), buffers.length * 16, INDIRECT, 0)
  }
}

/** The head of a slot's chain in a prefilled ring. */
export const headOf = (slot: number, { kind, descriptors }: Workload): number =>
  kind === 'direct' ? slot * descriptors : slot
