import { DirectDma, SEGMENT_SLOTS, SLOT_BYTES } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { setUpBounceBuffers } from '../src/dma/bounce-buffers.ts'
import { EncryptedView, SharedMemory } from '../src/dma/shared-memory.ts'
import { setUpPcDma } from '../src/dma/x86-dma.ts'
import { encryptedPoolBytes, findMemoryEncryption } from '../src/early/memory-encryption.ts'
import { KernelPages } from '../src/early/page-allocator.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'
import { parseGuest } from '../src/profile/parse-guest.ts'
import { HypervisorCalls } from '../src/pseries/hypervisor.ts'
import { enterSecureMode, sharingByUltracalls } from '../src/pseries/secure-guest.ts'
import { SparseBus } from './support/sparse-bus.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const MIB = 0x10_0000
const GIB = 1024 * MIB
const TOP = { start: 4 * GIB, end: 8 * GIB }

function kernel(append: string, ranges = [{ start: MIB, end: 2 * GIB }, TOP]) {
  const bus = new SparseBus()
  const lines: string[] = []
  const pages = new KernelPages(bus, ranges)
  return { bus, pages, options: parseKernelCommandLine(append), lines, log: (line: string) => void lines.push(line) }
}

describe('the words of swiotlb=', () => {
  it.each([
    ['', { slots: null, force: false, disabled: false }],
    ['swiotlb=force', { slots: null, force: true, disabled: false }],
    ['swiotlb=noforce', { slots: null, force: false, disabled: true }],
    ['swiotlb=65536', { slots: 65_536, force: false, disabled: false }],
    ['swiotlb=0x1001,force', { slots: 0x1080, force: true, disabled: false }],
    ['swiotlb=512,4,noforce', { slots: 512, force: false, disabled: true }],
    ['swiotlb=,force', { slots: null, force: true, disabled: false }],
  ])('%s', (append, expected) => expect(parseKernelCommandLine(append).swiotlb).toEqual(expected))

  it('are told of where they are none', () => {
    expect(parseKernelCommandLine('swiotlb=forced').unknown).toEqual(['swiotlb=forced'])
  })

  it('are read whatever stands there', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { slots } = parseKernelCommandLine(`swiotlb=${text}`).swiotlb
        expect(slots === null || (slots >= 0 && slots % SEGMENT_SLOTS === 0 && slots <= 2 ** 31)).toBe(true)
      }),
      { numRuns },
    )
  })
})

describe('the pool', () => {
  const needs = { limited: true, forced: false }

  it('is of 64 MiB below 4 GiB, as high as there is memory, and not cleared', () => {
    const { bounce, bounceAll } = setUpBounceBuffers(kernel(''), needs)
    expect([bounce?.start, bounce?.end, bounceAll]).toEqual([2 * GIB - 64 * MIB, 2 * GIB, false])
  })

  it('is not there where memory does not call for it, but for swiotlb=force', () => {
    expect(setUpBounceBuffers(kernel(''), { limited: false, forced: false })).toEqual({})
    const forced = setUpBounceBuffers(kernel('swiotlb=force'), { limited: false, forced: false })
    expect([forced.bounce === undefined, forced.bounceAll]).toEqual([false, true])
  })

  it('is not there with swiotlb=noforce, whoever wants it', () => {
    expect(setUpBounceBuffers(kernel('swiotlb=noforce'), { limited: true, forced: true })).toEqual({})
  })

  it('is as large as was asked for, or half, or half of that, where memory does not suffice', () => {
    const of = (append: string, end: number) => {
      const { bounce } = setUpBounceBuffers(kernel(append, [{ start: MIB, end: MIB + end }]), needs)
      return bounce === undefined ? null : bounce.end - bounce.start
    }
    expect(of('swiotlb=1024', 8 * MIB)).toBe(1024 * SLOT_BYTES)
    expect(of('', 20 * MIB)).toBe(16 * MIB)
    expect(of('', 0.5 * MIB)).toBeNull()
  })

  it('is given up where it cannot be opened to devices', () => {
    const one = kernel('')
    expect(setUpBounceBuffers(one, { ...needs, open: () => false })).toEqual({})
    expect(one.lines).toEqual(['software IO TLB: the pool cannot be opened to devices'])
  })
})

describe('a PC', () => {
  const setUp = (append: string, top: number, bus: CpuBus = new SparseBus(), guest = 'linux-6.12') => {
    const ranges = [
      { start: MIB, end: Math.min(top, 2 * GIB) },
      ...(top > 4 * GIB ? [{ start: 4 * GIB, end: top }] : []),
    ]
    const context = { ...kernel(append, ranges), bus, profile: parseGuest(guest) }
    const { dma, restrictedMemory } = setUpPcDma(context as unknown as Parameters<typeof setUpPcDma>[0], ranges)
    const parts = dma.partsOf({ id: '0000:00:02.0' })
    return { parts, restrictedMemory, pages: context.pages }
  }

  it.each([
    ['with 2 GiB', '', 2 * GIB, false],
    ['with memory above 4 GiB', '', 6 * GIB, true],
    ['with iommu=off', 'iommu=off', 6 * GIB, false],
    ['with iommu=soft', 'iommu=soft', GIB, true],
  ])('%s: pool or none', (_, append, top, expected) => {
    expect(setUp(append, top).parts.bounce !== undefined).toBe(expected)
  })

  it('bounces for 31 and 32 address lines what lies above 4 GiB; 30 do not reach the pool either', () => {
    const { parts, pages } = setUp('', 6 * GIB)
    const map = (maskBits: number) =>
      new DirectDma({ owner: 'd', maskBits, pages, ...parts }).map(5 * GIB, 4096, 'to-device', 'b')
    expect([map(30), map(31)?.hi, map(32)?.hi, map(64)?.hi]).toEqual([null, 0, 0, 1])
  })
})

/** A processor of an SEV guest, which keeps a list of what it was asked. */
class EncryptedBus extends SparseBus {
  readonly asked: string[] = []
  readonly shared = new Set<number>()
  leaf = [0, 0, 0, 0]
  status = 1

  cpuid(leaf: number, _subleaf: number, out: Uint32Array): void {
    this.asked.push(`cpuid ${leaf.toString(16)}`)
    out.set(leaf === 0x8000_0000 ? [0x8000_001f, 0, 0, 0] : this.leaf)
  }
  readonly systemRegisters = {
    read: (register: number): number => {
      this.asked.push(`rdmsr ${register.toString(16)}`)
      return this.status
    },
    write: (): void => {},
  }
  setPageState(page: number, state: 'private' | 'shared'): number {
    if (state === 'shared') this.shared.add(page)
    else this.shared.delete(page)
    return page < 2 ** 20 ? 0 : -1
  }
}

describe('an encrypted PC', () => {
  const sev = (leaf = [2, 51 | (1 << 6), 0, 0]): EncryptedBus => Object.assign(new EncryptedBus(), { leaf })

  it('is found in Linux’s order: 1 the largest leaf, 2 leaf 8000001Fh, 3 the status register', () => {
    const bus = sev()
    expect(findMemoryEncryption(bus, () => {})).toEqual({ kind: 'AMD SEV', bit: 51 })
    expect(bus.asked).toEqual(['cpuid 80000000', 'cpuid 8000001f', 'rdmsr c0010131'])
  })

  it.each([
    ['without the feature', sev([1, 51, 0, 0])],
    ['where it is off', Object.assign(sev(), { status: 0 })],
    ['where the bit is none of an address', sev([2, 3, 0, 0])],
    ['without CPUID', new SparseBus()],
  ])('is none %s', (_, bus) => expect(findMemoryEncryption(bus, () => {})).toBeNull())

  it('has a pool of 6 % of memory, from 64 MiB to 1 GiB', () => {
    expect([GIB / 2, 4 * GIB, 64 * GIB].map((bytes) => encryptedPoolBytes(bytes) / MIB)).toEqual([
      64, 245.759_999_275_207_52, 1024,
    ])
  })

  it('shares the pool, bounces all, and shares pages for coherent memory, cleared, until they are given back', () => {
    const bus = sev()
    const pages = new KernelPages(bus, [{ start: MIB, end: 512 * MIB }])
    const context = {
      bus,
      pages,
      options: parseKernelCommandLine(''),
      profile: parseGuest('linux-6.12'),
      log: () => {},
    }
    const { dma, restrictedMemory } = setUpPcDma(context as unknown as Parameters<typeof setUpPcDma>[0], [
      { start: MIB, end: 512 * MIB },
    ])
    expect([restrictedMemory, bus.shared.size]).toEqual([true, (64 * MIB) / 4096])
    const ops = new DirectDma({ owner: 'd', maskBits: 64, pages, ...dma.partsOf({ id: 'd' }) })
    const ring = ops.allocCoherent(8192, 'ring')!
    expect([ops.kind, ring.hi, ring.lo === ring.cpu, bus.shared.size]).toEqual([
      'swiotlb',
      0,
      true,
      (64 * MIB) / 4096 + 2,
    ])
    ops.freeCoherent(ring)
    expect([bus.shared.size, pages.used]).toEqual([(64 * MIB) / 4096, (64 * MIB) / 4096])
    bus.addMemory(447 * MIB, 2 * MIB)
    const buffer = pages.allocate(1)!
    bus.write32(buffer, 0x1234_5678)
    const mapping = ops.map(buffer, 64, 'to-device', 'b')!
    expect([bus.shared.has(Math.floor(mapping.lo / 4096)), bus.read32(mapping.lo)]).toEqual([true, 0x1234_5678])
  })

  it('gives addresses with the encryption bit where it does not bounce', () => {
    const shared = new SharedMemory(sev(), { share: () => true, unshare: () => true })
    const view = new EncryptedView(shared, 51)
    expect(view.toBus(0x5000, 4096)).toBe(2 ** 51 + 0x5000)
    shared.share(0x5000, 4096)
    expect([view.toBus(0x5000, 4096), view.toBus(0x5fff, 2)]).toEqual([0x5000, 2 ** 51 + 0x5fff])
  })

  it('takes any virtio device before Linux 5.19', () => {
    const bus = sev()
    const pages = new KernelPages(bus, [{ start: MIB, end: 512 * MIB }])
    const context = {
      bus,
      pages,
      options: parseKernelCommandLine(''),
      profile: parseGuest('linux-5.10'),
      log: () => {},
    }
    expect(setUpPcDma(context as unknown as Parameters<typeof setUpPcDma>[0], []).restrictedMemory).toBe(false)
  })
})

describe('a secure guest of POWER', () => {
  const calls = (code: number) => {
    const asked: string[] = []
    const bus = Object.assign(new SparseBus(), {
      hypercall(number: number, args: Uint32Array): number {
        asked.push(`${number.toString(16)} ${args[0]} ${args[2]}`)
        return code
      },
    })
    return { asked, calls: new HypervisorCalls(bus) }
  }
  const enter = (append: string, code: number) => {
    const made = calls(code)
    const lines: string[] = []
    const place = { base: 0, deviceTree: 0x7000 }
    const result = enterSecureMode(made.calls, parseKernelCommandLine(append), place, (line) => lines.push(line))
    return { result, asked: made.asked, lines }
  }

  it('asks for it with svm=on alone, by UV_ESM with kernel and device tree', () => {
    expect(enter('', 0)).toMatchObject({ result: false, asked: [] })
    expect(enter('svm=off', 0)).toMatchObject({ result: false, asked: [] })
    expect(enter('svm=on', 0)).toMatchObject({ result: true, asked: [`f110 0 ${0x7000}`] })
  })

  it('stops where there is no ultravisor', () => {
    expect(enter('svm=on', -2).result).toBe('Returned -2 from switching to secure mode')
  })

  it('shares runs of pages with one call each', () => {
    const made = calls(0)
    const sharing = sharingByUltracalls(made.calls)
    expect([sharing.share(0x10_000, 0x4000), sharing.unshare(0x10_000, 0x1000)]).toEqual([true, true])
    expect(made.asked).toEqual(['f130 16 4', 'f134 16 1'])
    expect(sharingByUltracalls(calls(-4).calls).share(0, 4096)).toBe(false)
  })
})
