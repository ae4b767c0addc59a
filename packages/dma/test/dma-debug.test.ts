import { describe, expect, it } from 'vitest'
import { DebuggedDma, DirectDma, IommuDma, IovaSpace } from '../src/index.ts'
import { BumpPages, MapDomain } from './fakes.ts'

function setup(lineBytes?: number) {
  const said: string[] = []
  const inner = new DirectDma({ owner: 'd', maskBits: 32, pages: new BumpPages() })
  const dma = new DebuggedDma(inner, {
    owner: 'd',
    report: ({ message }) => said.push(message),
    ...(lineBytes !== undefined && { lineBytes }),
  })
  return { dma, inner, said }
}

const OVERLAP = "cacheline tracking EEXIST, overlapping mappings aren't supported"

describe('DMA API debugging', () => {
  it('lets a driver be that makes no mistake', () => {
    const { dma, inner, said } = setup()
    const ring = dma.allocCoherent(4096, 'ring')!
    const buffer = dma.map(0x1000, 100, 'from-device', 'b')!
    dma.syncForCpu(buffer, 10, 20)
    dma.syncForDevice(dma.map(0x3000, 10, 'to-device', 'c')!)
    dma.unmap(buffer)
    const list = dma.mapScatter(
      [
        { cpu: 0x5000, length: 64 },
        { cpu: 0x6000, length: 64 },
      ],
      'bidirectional',
      'l',
    )!
    dma.syncForCpu(list[1]!)
    dma.unmapScatter(list)
    dma.freeCoherent(ring)
    expect(said).toEqual([])
    expect(inner.leaks()).toHaveLength(1)
    expect(dma.kind).toBe('direct')
  })

  it('tells of what is freed twice, and goes on', () => {
    const { dma, said } = setup()
    const buffer = dma.map(0x1000, 100, 'from-device', 'b')!
    dma.unmap(buffer)
    dma.unmap(buffer)
    dma.unmapScatter([])
    expect(said).toEqual(Array(2).fill('device driver tries to free DMA memory it has not allocated'))
  })

  it('tells of what is freed by the wrong function, and keeps it mapped', () => {
    const { dma, inner, said } = setup()
    const buffer = dma.map(0x1000, 100, 'from-device', 'b')!
    dma.freeCoherent(buffer)
    dma.unmapScatter([buffer])
    expect(said).toEqual([
      'device driver frees DMA memory with wrong function [mapped as single] [unmapped as coherent]',
      'device driver frees DMA memory with wrong function [mapped as single] [unmapped as scatter-gather]',
    ])
    expect(inner.leaks()).toHaveLength(1)
  })

  it('tells of synchronisations that make no sense', () => {
    const { dma, said } = setup()
    const toDevice = dma.map(0x1000, 100, 'to-device', 'b')!
    const fromDevice = dma.map(0x2000, 100, 'from-device', 'b')!
    const ring = dma.allocCoherent(4096, 'ring')!
    dma.syncForCpu(toDevice)
    dma.syncForDevice(fromDevice)
    dma.syncForCpu(fromDevice, 90, 11)
    dma.syncForCpu(ring)
    dma.unmap(fromDevice)
    dma.syncForCpu(fromDevice)
    expect(said).toEqual([
      'device driver syncs device read-only DMA memory for cpu',
      'device driver syncs device write-only DMA memory to device',
      'device driver syncs DMA memory outside allocated range',
      'device driver tries to sync DMA memory it has not allocated',
      'device driver tries to sync DMA memory it has not allocated',
    ])
  })

  it('tells of cache lines that two mappings share, unless the driver sees to that itself', () => {
    const { dma, said } = setup()
    const first = dma.map(0x1000, 100, 'from-device', 'b')!
    dma.map(0x1030, 8, 'to-device', 'c')
    expect(said).toEqual([])
    dma.map(0x1070, 8, 'from-device', 'd', { skipCpuSync: true })
    expect(said).toEqual([])
    dma.map(0x1078, 8, 'bidirectional', 'e')
    expect(said).toEqual([OVERLAP])
    dma.unmap(first)
    dma.map(0x1000, 64, 'from-device', 'f')
    expect(said).toHaveLength(1)
    dma.mapScatter(
      [
        { cpu: 0x4000, length: 8 },
        { cpu: 0x1008, length: 8 },
      ],
      'from-device',
      'g',
    )
    expect(said).toEqual([OVERLAP, OVERLAP])
  })

  it('goes by the line that it is told', () => {
    for (const [line, count] of [
      [64, 0],
      [128, 1],
    ] as const) {
      const { dma, said } = setup(line)
      dma.map(0x1000, 64, 'from-device', 'b')
      dma.map(0x1040, 64, 'from-device', 'c')
      expect(said).toHaveLength(count)
    }
  })

  it('tells of what a driver leaves behind', () => {
    const { dma, said } = setup()
    dma.released()
    expect(said).toEqual([])
    dma.map(0x1000, 100, 'to-device', 'b')
    dma.allocCoherent(64, 'ring')
    dma.released()
    expect(said).toEqual([
      'device driver has pending DMA allocations while released from device [count=2]; one is single',
    ])
  })

  it('has no line of memory that the kernel does not map', () => {
    const said: string[] = []
    const inner = new IommuDma({
      owner: 'd',
      maskBits: 64,
      space: new IovaSpace({ domain: new MapDomain('dma') }),
      pages: new BumpPages(),
    })
    const dma = new DebuggedDma(inner, { owner: 'd', report: ({ message }) => said.push(message) })
    for (let time = 0; time < 2; time++) dma.allocCoherent(64, 'r', { noKernelMapping: true })
    expect(said).toEqual([])
    expect(dma.map(0, 2 ** 45, 'to-device', 'b')).toBeNull()
  })
})
