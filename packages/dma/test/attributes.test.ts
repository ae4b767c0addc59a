import { describe, expect, it } from 'vitest'
import {
  type Coherency,
  DirectDma,
  type DirectDmaOptions,
  IommuDma,
  type IommuDmaOptions,
  IovaSpace,
  NO_CPU_ADDRESS,
  type PageAllocator,
  PoolPages,
  Swiotlb,
} from '../src/index.ts'
import { BumpPages, MapDomain, RecordingWitness } from './fakes.ts'

const PAGE = 4096
const SKIP = { skipCpuSync: true } as const

/** Memory, and a cache before it that the device does not look into: what the processor wrote, and what it has read. */
class CachedMemory {
  readonly ram = new Uint8Array(4 << 20)
  readonly #lines = new Map<number, { readonly value: number; readonly dirty: boolean }>()
  readonly coherency: Coherency = {
    beforeDevice: (cpu, length) => {
      for (let at = cpu; at < cpu + length; at++) {
        const held = this.#lines.get(at)
        if (held?.dirty) this.ram[at] = held.value
      }
    },
    afterDevice: (cpu, length, direction) => {
      if (direction === 'to-device') return
      for (let at = cpu; at < cpu + length; at++) this.#lines.delete(at)
    },
    uncached: (cpu) => cpu,
  }

  write(at: number, value: number): void {
    this.#lines.set(at, { value, dirty: true })
  }

  read(at: number): number {
    const held = this.#lines.get(at) ?? { value: this.ram[at]!, dirty: false }
    this.#lines.set(at, held)
    return held.value
  }
}

const plain = (bytes: Uint8Array) => ({
  readBytes: (address: number, into: Uint8Array) => into.set(bytes.subarray(address, address + into.length)),
  writeBytes: (address: number, from: Uint8Array) => bytes.set(from, address),
})

function direct(options: Partial<DirectDmaOptions> = {}) {
  const warnings: string[] = []
  const dma = new DirectDma({
    owner: '0000:00:03.0',
    maskBits: 32,
    pages: new BumpPages(),
    warn: (line) => warnings.push(line),
    ...options,
  })
  return { dma, warnings }
}

function behindIommu(options: Partial<IommuDmaOptions> = {}) {
  const warnings: string[] = []
  const domain = new MapDomain('dma')
  const witness = new RecordingWitness()
  const dma = new IommuDma({
    owner: '0000:00:03.0',
    maskBits: 64,
    space: new IovaSpace({ domain }),
    pages: new BumpPages(),
    witness,
    warn: (line) => warnings.push(line),
    ...options,
  })
  return { dma, domain, witness, warnings }
}

describe('DMA_ATTR_SKIP_CPU_SYNC', () => {
  it('leaves it to the driver to write back: the device reads what is out of date until then', () => {
    const memory = new CachedMemory()
    const { dma } = direct({ coherency: memory.coherency })
    memory.write(0x1000, 7)
    const mapping = dma.map(0x1000, 64, 'to-device', 'b', SKIP)!
    expect(memory.ram[mapping.lo]).toBe(0)
    dma.syncForDevice(mapping, 0, 1)
    expect(memory.ram[mapping.lo]).toBe(7)
    memory.write(0x1000, 8)
    dma.unmap(mapping, SKIP)
    // Without it, mapping does so by itself.
    dma.map(0x1000, 64, 'to-device', 'b')
    expect(memory.ram[0x1000]).toBe(8)
  })

  it('leaves it to the driver to forget: the processor reads what is out of date after unmap', () => {
    const memory = new CachedMemory()
    const { dma } = direct({ coherency: memory.coherency })
    const round = (attributes: { skipCpuSync?: boolean }, sync: boolean): number => {
      const mapping = dma.map(0x1000, 64, 'from-device', 'b')!
      memory.read(0x1000)
      memory.ram[mapping.lo]! += 1
      if (sync) dma.syncForCpu(mapping, 0, 1)
      dma.unmap(mapping, attributes)
      return memory.read(0x1000)
    }
    expect(round({}, false)).toBe(1)
    expect(round(SKIP, false)).toBe(1)
    expect(memory.ram[0x1000]).toBe(2)
    expect(round(SKIP, true)).toBe(3)
  })

  it.each(['direct', 'IOMMU'])(
    'leaves bounced data in the pool at unmap (%s); at map they are copied all the same',
    (kind) => {
      const bytes = new Uint8Array(4 << 20)
      const bounce = new Swiotlb({ memory: plain(bytes), start: 0x10_0000, slots: 128 })
      const iommu = behindIommu({ bounce })
      const dma = kind === 'direct' ? direct({ bounce, bounceAll: true }).dma : iommu.dma
      const landed = (lo: number): number => (kind === 'direct' ? lo : iommu.domain.translate(lo)!)
      const round = (sync: boolean, attributes: { skipCpuSync?: boolean }): readonly [copied: number, got: number] => {
        bytes[0x1010] = 5
        const mapping = dma.map(0x1010, 16, 'from-device', 'b', SKIP)!
        const copied = bytes[landed(mapping.lo)]!
        bytes[landed(mapping.lo)] = 9
        if (sync) dma.syncForCpu(mapping)
        dma.unmap(mapping, attributes)
        iommu.domain.cached.clear()
        return [copied, bytes[0x1010]!]
      }
      expect(round(false, SKIP)).toEqual([5, 5])
      expect(round(true, SKIP)).toEqual([5, 9])
      expect(round(false, {})).toEqual([5, 9])
      expect(bounce.used).toBe(0)
    },
  )

  it('holds for a whole list', () => {
    const memory = new CachedMemory()
    const { dma } = direct({ coherency: memory.coherency })
    memory.write(0x2000, 3)
    const list = dma.mapScatter(
      [
        { cpu: 0x1000, length: 8 },
        { cpu: 0x2000, length: 8 },
      ],
      'bidirectional',
      'b',
      SKIP,
    )!
    expect(memory.ram[0x2000]).toBe(0)
    memory.ram[0x2000] = 4
    dma.unmapScatter(list, SKIP)
    expect(memory.read(0x2000)).toBe(3)
  })
})

describe('DMA_ATTR_NO_WARN', () => {
  const full = () => {
    const bounce = new Swiotlb({ memory: plain(new Uint8Array(4 << 20)), start: 0x10_0000, slots: 128 })
    bounce.map(0, 252 * 1024, 'to-device')
    return bounce
  }
  const words = '0000:00:03.0: swiotlb buffer is full (sz: 8192 bytes), total 128 (slots), used 126 (slots)'

  it('keeps it quiet that the pool is full', () => {
    const made = direct({ bounce: full(), bounceAll: true })
    expect(made.dma.map(0x1000, 8192, 'to-device', 'b', { noWarn: true })).toBeNull()
    expect(made.warnings).toEqual([])
    expect(made.dma.map(0x1000, 8192, 'to-device', 'b')).toBeNull()
    expect(made.warnings).toEqual([words])
    const other = behindIommu({ bounce: full() })
    expect(other.dma.map(0x1001, 8192, 'to-device', 'b', { noWarn: true })).toBeNull()
    expect(other.dma.map(0x1001, 8192, 'to-device', 'b')).toBeNull()
    expect(other.warnings).toEqual([words])
  })

  it('keeps it quiet that there are no pages', () => {
    const none: PageAllocator = { allocate: () => null, free: () => {} }
    for (const { dma, warnings } of [direct({ pages: none }), behindIommu({ pages: none })]) {
      expect(dma.allocCoherent(3 * PAGE, 'r', { noWarn: true })).toBeNull()
      expect(warnings).toEqual([])
      expect(dma.allocCoherent(3 * PAGE, 'r')).toBeNull()
      expect(warnings).toEqual(['0000:00:03.0: page allocation failure: order:2'])
    }
  })

  it('is not needed where a bus has no address for it: nobody warns of that', () => {
    const { dma, warnings } = direct({ maskBits: 16 })
    expect(dma.map(0x1_0000, 1, 'to-device', 'b')).toBeNull()
    const iommu = behindIommu({ maskBits: 12 })
    expect(iommu.dma.map(0x2000, 2 * PAGE, 'to-device', 'b')).toBeNull()
    expect([...warnings, ...iommu.warnings]).toEqual([])
  })

  it('is not there for a device that is not trusted and has no pool: that is said', () => {
    const { dma, warnings } = behindIommu({ bounce: null })
    expect(dma.map(0x1001, 16, 'to-device', 'b')).toBeNull()
    expect(warnings).toEqual(['0000:00:03.0: DMA bounce buffers are inactive, unable to map unaligned transaction.'])
  })
})

describe('DMA_ATTR_NO_KERNEL_MAPPING', () => {
  it('gives no address to the processor, and the memory to the device', () => {
    for (const { dma } of [direct(), behindIommu()]) {
      const mapping = dma.allocCoherent(2 * PAGE, 'r', { noKernelMapping: true })!
      expect(mapping.cpu).toBe(NO_CPU_ADDRESS)
      expect(mapping.lo).toBeGreaterThan(0)
      dma.freeCoherent(mapping)
      expect(dma.leaks()).toEqual([])
    }
  })

  it('is no matter where memory has to be opened, or comes out of a pool', () => {
    const opened: number[] = []
    const closed = { open: (cpu: number) => opened.push(cpu) > 0, close: () => {} }
    expect(direct({ closed }).dma.allocCoherent(PAGE, 'r', { noKernelMapping: true })?.cpu).toBe(opened[0])
    const memory = plain(new Uint8Array(4 << 20))
    const pool = new Swiotlb({ memory, start: 0x10_0000, slots: 128 })
    const { dma } = direct({ pages: new PoolPages(pool, memory), bounce: pool, bounceAll: true })
    expect(dma.allocCoherent(PAGE, 'r', { noKernelMapping: true })?.cpu).toBe(0x10_0000)
  })
})

describe('DMA_ATTR_FORCE_CONTIGUOUS and DMA_ATTR_ALLOC_SINGLE_PAGES', () => {
  /** Eight pages, of which runs of at most `run` are free; what was asked for. */
  const broken = (run: number) => {
    const asked: number[] = []
    const free = [...Array(8).keys()].map((index) => 0x10_0000 + index * PAGE)
    const pages: PageAllocator = {
      allocate(count) {
        asked.push(count)
        if (count > run || free.length < count) return null
        return free.splice(0, count)[0]!
      },
      free(address, count) {
        for (let page = 0; page < count; page++) free.push(address + page * PAGE)
      },
    }
    return { pages, asked, free }
  }

  it('an IOMMU joins what is in pieces, where the processor does not look', () => {
    const { pages, asked, free } = broken(2)
    const { dma, domain, witness } = behindIommu({ pages })
    const mapping = dma.allocCoherent(7 * PAGE, 'r', { noKernelMapping: true })!
    expect(asked).toEqual([4, 2, 2, 2, 1])
    const landed = [...Array(7).keys()].map((page) => domain.translate(mapping.lo + page * PAGE))
    expect(landed).toEqual([...Array(7).keys()].map((page) => 0x10_0000 + page * PAGE))
    expect([...witness.granted.values()].map(({ length }) => length / PAGE)).toEqual([2, 2, 2, 1])
    dma.freeCoherent(mapping)
    expect([domain.table.size, free.length, witness.granted.size]).toEqual([0, 8, 0])
  })

  it('looks for no run of pages where single ones do', () => {
    const { pages, asked } = broken(8)
    behindIommu({ pages }).dma.allocCoherent(3 * PAGE, 'r', { noKernelMapping: true, allocSinglePages: true })
    expect(asked).toEqual([1, 1, 1])
  })

  it('fails where it must be in one piece, and none is there', () => {
    const { pages, free } = broken(2)
    const { dma, warnings } = behindIommu({ pages })
    expect(dma.allocCoherent(4 * PAGE, 'r', { noKernelMapping: true, forceContiguous: true })).toBeNull()
    expect(warnings).toEqual(['0000:00:03.0: page allocation failure: order:2'])
    const small = dma.allocCoherent(2 * PAGE, 'r', { noKernelMapping: true, forceContiguous: true })!
    dma.freeCoherent(small)
    expect(free).toHaveLength(8)
  })

  it('gives pages back where there are too few, or page tables run out', () => {
    const { pages, free } = broken(2)
    const { dma, domain, warnings } = behindIommu({ pages })
    expect(dma.allocCoherent(9 * PAGE, 'r', { noKernelMapping: true })).toBeNull()
    expect(warnings).toEqual(['0000:00:03.0: page allocation failure: order:0'])
    domain.budget = 3
    expect(dma.allocCoherent(6 * PAGE, 'r', { noKernelMapping: true })).toBeNull()
    expect([free.length, domain.table.size]).toEqual([8, 0])
  })
})

describe('DMA_ATTR_PRIVILEGED', () => {
  it('is told to the IOMMU for each page', () => {
    const { dma, domain } = behindIommu()
    const mapping = dma.map(0x1ff0, 32, 'to-device', 'b', { privileged: true })!
    const ring = dma.allocCoherent(PAGE, 'r', { privileged: true })!
    const list = dma.mapScatter([{ cpu: 0x4000, length: PAGE }], 'to-device', 'b', { privileged: true })![0]!
    const other = dma.map(0x8000, 32, 'to-device', 'b')!
    const use = (lo: number) => domain.uses.get(lo - (lo % PAGE))
    expect([mapping.lo, mapping.lo + 32, ring.lo, list.lo].map(use)).toEqual(Array(4).fill('privileged'))
    expect(use(other.lo)).toBe('memory')
  })
})

it('DMA_ATTR_WEAK_ORDERING and DMA_ATTR_WRITE_COMBINE change nothing here', () => {
  const made = [{}, { weakOrdering: true, writeCombine: true }].map((attributes) => {
    const { dma } = direct({ coherency: new CachedMemory().coherency })
    return [dma.allocCoherent(PAGE, 'r', attributes), dma.map(0x1000, 9, 'to-device', 'b', attributes)]
  })
  expect(made[1]).toEqual(made[0])
})
