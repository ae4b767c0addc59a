import { type DeviceTree, parseDts } from '@dmascope/devicetree'
import { PoolPages, type Swiotlb } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory'
import { describe, expect, it } from 'vitest'
import type { RestrictedPool } from '../src/dma/restricted-pool.ts'
import type { EcamHostBridge } from '../src/pci/ecam-host-bridge.ts'
import type { PlatformDevice } from '../src/platform/platform-device.ts'
import { restrictedDma, restrictedPoolOf } from '../src/tree/restricted-pools.ts'

/** A tree with these properties in the pool's node, and these in the device's. */
const treeOf = (pool: string, device = 'memory-region = <&pool>;'): DeviceTree =>
  parseDts(`/dts-v1/;
/ {
  #address-cells = <2>;
  #size-cells = <2>;
  reserved-memory {
    #address-cells = <2>;
    #size-cells = <2>;
    ranges;
    other: other@48000000 { compatible = "shared-dma-pool"; reg = <0 0x48000000 0 0x100000>; };
    off: off@49000000 { compatible = "restricted-dma-pool"; reg = <0 0x49000000 0 0x100000>; status = "disabled"; };
    pool: pool@50000000 { ${pool} };
  };
  pcie@10000000 { ${device} };
};`)

const POOL = 'compatible = "restricted-dma-pool"; reg = <0 0x50000000 0 0x400000>;'

function poolOf(tree: DeviceTree): { readonly pool: RestrictedPool | null; readonly log: string[] } {
  const log: string[] = []
  return { pool: restrictedPoolOf(tree, tree.find('/pcie@10000000')!, (line) => log.push(line)), log }
}

describe('the pool of a device', () => {
  it('is what its memory-region names', () => {
    expect(poolOf(treeOf(POOL)).pool).toEqual({
      base: 0x5000_0000,
      size: 0x40_0000,
      by: 'memory-region of /pcie@10000000: /reserved-memory/pool@50000000',
    })
  })

  it('is the first of several that is such a pool, and not switched off', () => {
    expect(poolOf(treeOf(POOL, 'memory-region = <&other>, <&off>, <&pool>;')).pool?.base).toBe(0x5000_0000)
  })

  it.each([
    ['no such property', POOL, ''],
    ['memory of another kind', POOL, 'memory-region = <&other>;'],
    ['one that is switched off', POOL, 'memory-region = <&off>;'],
    ['a phandle of nothing', POOL, 'memory-region = <0x1234>;'],
  ])('is none for %s, without a word', (_what, pool, device) => {
    expect(poolOf(treeOf(pool, device))).toEqual({ pool: null, log: [] })
  })

  it.each([
    ['no-map', `${POOL} no-map;`],
    ['reusable', `${POOL} reusable;`],
    ['no place of its own', 'compatible = "restricted-dma-pool"; size = <0 0x400000>;'],
  ])('is declined for %s, and that is said', (_what, pool) => {
    const { pool: found, log } = poolOf(treeOf(pool))
    expect(found).toBeNull()
    expect(log).toEqual([expect.stringContaining('failed to initialise "restricted-dma-pool" memory node')])
  })
})

describe('direct DMA in a pool', () => {
  const pool: RestrictedPool = { base: 0x5000_0000, size: 0x48_0000, by: 'memory-region' }
  const platform = {
    hostBridges: [
      { ecam: { segment: 0 }, restrictedPool: pool } as EcamHostBridge,
      { ecam: { segment: 1 } } as EcamHostBridge,
    ],
    devices: [{ base: 0xa00_0000, restrictedPool: pool } as PlatformDevice, { base: 0xa00_0200 } as PlatformDevice],
  }
  const dmaOf = (known: boolean, of: Parameters<typeof restrictedDma>[0] = platform) => {
    const log: string[] = []
    return { dma: restrictedDma(of, {} as CpuBus, known, (line) => log.push(line)), log }
  }

  it('bounces all through it, and takes coherent memory from it; one pool for all that name it', () => {
    const { dma, log } = dmaOf(true)
    const parts = dma.partsOf({ id: '0000:00:03.0' })
    expect(parts).toMatchObject({ bounceAll: true, pages: expect.any(PoolPages) })
    expect(dma.partsOf({ id: '0000:00:04.0' }).bounce).toBe(parts.bounce)
    expect(dma.partsOf({ id: 'mmio:0xa000000' }).bounce).toBe(parts.bounce)
    expect(log).toEqual(['Reserved memory: created restricted DMA pool at 0x50000000, size 4.5 MiB'])
    const { start, end } = parts.bounce as Swiotlb
    expect([start, end]).toEqual([0x5000_0000, 0x5048_0000])
  })

  it('uses whole segments of 256 KiB', () => {
    const odd = { ...pool, size: 0x7_ffff }
    const { dma } = dmaOf(true, {
      hostBridges: [{ ecam: { segment: 0 }, restrictedPool: odd } as EcamHostBridge],
      devices: [],
    })
    expect((dma.partsOf({ id: '0000:00:03.0' }).bounce as Swiotlb).end).toBe(0x5004_0000)
  })

  it('uses the first GiB of one that is larger than any', () => {
    const large = { ...pool, size: 2 ** 50 }
    const { dma } = dmaOf(true, {
      hostBridges: [{ ecam: { segment: 0 }, restrictedPool: large } as EcamHostBridge],
      devices: [],
    })
    expect((dma.partsOf({ id: '0000:00:03.0' }, 64).bounce as Swiotlb).end).toBe(0x9000_0000)
  })

  it.each([
    ['smaller than a segment', { ...pool, size: 0x3_ffff }],
    ['past what a number counts', { ...pool, base: 2 ** 53 - 4096 }],
    ['on no page', { ...pool, base: 0x5000_0800 }],
  ])('maps nothing where the pool is %s', (_what, none) => {
    const { dma } = dmaOf(true, {
      hostBridges: [{ ecam: { segment: 0 }, restrictedPool: none } as EcamHostBridge],
      devices: [],
    })
    const { bounce, bounceAll, pages } = dma.partsOf({ id: '0000:00:03.0' })
    expect([bounce, bounceAll, pages?.allocate(1)]).toEqual([undefined, true, null])
  })

  it('is nothing special for devices that no pool is named for, or to a kernel without', () => {
    for (const id of ['0001:00:03.0', 'mmio:0xa000200', '0002:00:00.0']) {
      expect([dmaOf(true).dma.partsOf({ id }), dmaOf(true).dma.why?.({ id })]).toEqual([{}, []])
    }
    const { dma, log } = dmaOf(false)
    expect([dma.partsOf({ id: '0000:00:03.0' }), log]).toEqual([{}, []])
    expect(dma.why?.({ id: '0000:00:03.0' })?.[0]?.fact).toMatch(/takes no notice/)
  })
})
