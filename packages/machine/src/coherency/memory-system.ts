import { type CacheBus, GuestRam } from '@dmascope/memory'
import type { MemorySystemName } from '../description.ts'
import type { DeviceMemory } from '../fabric/device-memory.ts'
import type { DeviceLedger } from '../fabric/ledger.ts'
import { type CacheGeometry, DataCache } from './data-cache.ts'
import type { MemoryAccess } from './memory-access.ts'
import { NewestMemory } from './newest-memory.ts'
import { ReadAheadCache, type ReadAheadGeometry } from './read-ahead-cache.ts'
import { WriteBuffer } from './write-buffer.ts'

/** RAM at its address plus this is reached past caches and buffers. No RAM of ours is as high. */
export const UNCACHED_OFFSET = 2 ** 48
/** Where a hypervisor has mapped the guest's memory: another virtual address for each byte of it. */
const HOST_MAPPING = 2 ** 44

/** What is to stand there. */
export interface MemorySystemPlan {
  readonly name: MemorySystemName
  /** Of the data cache, where there is one. */
  readonly geometry: CacheGeometry
  /** Lines that it fetches behind one that it missed; none unless given. */
  readonly speculativeLines?: number
  /** A read-ahead cache between it and RAM; none unless given. */
  readonly readAhead?: ReadAheadGeometry | null
}

/** What stands between the processor, devices and RAM, where that is not nothing. */
export interface MemorySystem {
  /** The processor's way to RAM, and its way past all that is between. */
  readonly processor: MemoryAccess
  readonly uncached: MemoryAccess
  /** Software's hold on caches; null where they need none. */
  readonly cache: CacheBus | null
  /** Null where there is none. */
  readonly readAhead: ReadAheadCache | null
  /** The way of a device, which is told of what it read that was stale. */
  ofDevice(ledger: DeviceLedger): DeviceMemory
  /** Waits until the processor's writes have arrived. */
  drain(): void
  /** Puts bytes into memory before any software runs. */
  load(address: number, bytes: Uint8Array): void
  dispose(): void
}

const BETWEEN = {
  noncoherent: 'cache',
  'physical-cache': 'cache',
  'virtual-cache': 'mapping',
  'virtual-cache-flushed': 'mapping',
  'write-buffer': 'buffer',
} as const

/** The ways of a processor and of devices, before anybody watches them. */
interface Ways {
  readonly processor: MemoryAccess
  readonly device: MemoryAccess
  readonly cache: DataCache | null
  readonly readAhead: ReadAheadCache | null
  readonly buffer: WriteBuffer | null
}

/** Memory through a cache that knows it by addresses which lie so much higher. */
const mappedAt = (cache: DataCache, offset: number): MemoryAccess => ({
  readBytes: (address, into) => cache.read(address + offset, address, into),
  writeBytes: (address, from) => cache.write(address + offset, address, from),
})

/** The same by a host that takes care: it forgets what it held before it looks, and writes back what it wrote. */
const flushedAt = (cache: DataCache, offset: number): MemoryAccess => ({
  readBytes(address, into) {
    cache.invalidate(address + offset, into.length)
    cache.read(address + offset, address, into)
  },
  writeBytes(address, from) {
    cache.invalidate(address + offset, from.length)
    cache.write(address + offset, address, from)
    cache.clean(address + offset, from.length)
  },
})

function waysOf({ name, geometry, speculativeLines, readAhead: ahead }: MemorySystemPlan, ram: GuestRam): Ways {
  if (name === 'write-buffer') {
    const buffer = new WriteBuffer(ram)
    return { processor: buffer, device: ram, cache: null, readAhead: null, buffer }
  }
  const readAhead = ahead ? new ReadAheadCache(ahead, ram) : null
  const cache = new DataCache(geometry, readAhead ?? ram, speculativeLines)
  const device = {
    noncoherent: ram,
    'physical-cache': mappedAt(cache, 0),
    'virtual-cache': mappedAt(cache, HOST_MAPPING),
    'virtual-cache-flushed': flushedAt(cache, HOST_MAPPING),
  }[name]
  return { processor: mappedAt(cache, 0), device, cache, readAhead, buffer: null }
}

export function createMemorySystem(plan: MemorySystemPlan, ram: GuestRam): MemorySystem {
  const { name, geometry } = plan
  const { processor, device, cache, readAhead, buffer } = waysOf(plan, ram)
  const newest = new NewestMemory(new GuestRam(ram.ranges), BETWEEN[name])
  return {
    processor: newest.ofProcessor(processor),
    uncached: newest.ofProcessor(ram),
    cache: cache && {
      lineBytes: geometry.lineBytes,
      clean: (address, length) => cache.clean(address, length),
      invalidate: (address, length) => cache.invalidate(address, length),
    },
    readAhead,
    ofDevice: (ledger) => newest.ofDevice(device, ledger),
    drain: () => buffer?.drain(),
    load(address, bytes) {
      ram.writeBytes(address, bytes)
      newest.write(address, bytes)
    },
    dispose: () => newest.dispose(),
  }
}
