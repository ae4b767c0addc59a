import { describe, expect, test } from 'vitest'
import {
  buildDtb,
  buildIdMap,
  buildInterruptMap,
  buildPhandleList,
  buildRanges,
  buildReg,
  cpuAddressOf,
  findCoherency,
  findDmaWindows,
  findIbmDmaWindow,
  findIommu,
  findMsi,
  findRestrictedDmaPool,
  findXenGrantBackend,
  identityMapExcept,
  mapId,
  parseDtb,
  parseDts,
  parseIbmDmaWindow,
  parseIdMap,
  parseInterruptMap,
  parseIommus,
  parseRanges,
  parseReg,
  pathOf,
  reservedRegions,
  resolveInterrupt,
  setIbmDmaWindow,
  translateAddress,
} from '../src/index.ts'
import { goldenBlobs } from './corpus.ts'

const golden = (name: string) => parseDtb(goldenBlobs.find((one) => one.name.startsWith(name))!.bytes)
const tree = (body: string) => parseDts(`/dts-v1/; / { ${body} };`)

describe('iommu-map', () => {
  test("QEMU's riscv virt leaves the IOMMU at 00:01.0 out of its own map", () => {
    const riscv = golden('qemu-11.1-riscv')
    const bridge = riscv.find('/soc/pci@30000000')!
    const map = parseIdMap(bridge, 'iommu-map')!
    expect(map).toEqual({
      entries: [
        { inputBase: 0, phandle: 0x8000, outputBase: 0, length: 8 },
        { inputBase: 9, phandle: 0x8000, outputBase: 9, length: 0xfff7 },
      ],
      mask: 0xffff_ffff,
      problem: null,
    })
    expect(identityMapExcept(0x8000, [8])).toEqual(map.entries)
    expect(buildIdMap(map.entries)).toEqual(bridge.cells('iommu-map'))
    expect(mapId(map, 7)).toEqual({ phandle: 0x8000, id: 7 })
    expect(mapId(map, 8)).toBeNull()
    expect(mapId(map, 0x1_0000)).toBeNull()
    const { found } = findIommu(riscv, bridge, 0x10)
    expect(found.map(({ iommu, args, by, on }) => [pathOf(iommu), args, by, pathOf(on)])).toEqual([
      ['/soc/pci@30000000/iommu@8', [0x10], 'iommu-map', '/soc/pci@30000000'],
    ])
    expect(findIommu(riscv, bridge, 8)).toEqual({ found: [], problem: null })
  })

  test('the mask comes first, and outputs count from the output base', () => {
    const masked = tree(`smmu: iommu { #iommu-cells = <1>; }; pcie {
      iommu-map = <0x100 &smmu 0x8000 0x10>; iommu-map-mask = <0xfff8>; };`)
    const bridge = masked.find('/pcie')!
    const map = parseIdMap(bridge, 'iommu-map')!
    expect(map.mask).toBe(0xfff8)
    expect(mapId(map, 0x10d)).toEqual({ phandle: 1, id: 0x8008 })
    expect(mapId(map, 0x110)).toBeNull()
    expect(findIommu(masked, bridge, 0x10d).found[0]!.args).toEqual([0x8008])
  })

  test('a base outside the mask, and a length that is no whole entry, are told, and map nothing', () => {
    const bad = tree('a { iommu-map = <1 2 3 1>; iommu-map-mask = <0xfffe>; }; b { iommu-map = <0 2 0 9 4>; };')
    const outside = parseIdMap(bad.find('/a')!, 'iommu-map')!
    expect(outside.problem).toContain('0x1 has bits outside the mask 0xfffe')
    expect(mapId(outside, 1)).toBeNull()
    const cut = parseIdMap(bad.find('/b')!, 'iommu-map')!
    expect(cut.problem).toContain('20 bytes')
    expect(mapId(cut, 0)).toBeNull()
    expect(parseIdMap(bad.root, 'iommu-map')).toBeNull()
  })

  test('a phandle of no node is told', () => {
    const dangling = tree('a { iommu-map = <0 77 0 16>; };')
    expect(findIommu(dangling, dangling.find('/a')!, 3)).toEqual({
      found: [],
      problem: 'iommu-map: no node has the phandle 0x4d',
    })
  })
})

describe('iommus', () => {
  const two =
    tree(`a: iommu@1 { #iommu-cells = <1>; }; b: iommu@2 { #iommu-cells = <2>; }; c: iommu@3 { #iommu-cells = <0>; };
    dev { iommus = <&a 0x10>, <&b 0x20 0x7f>, <&c>; }; cut { iommus = <&b 1>; }; odd { iommus = <&dev2 1>; };
    dev2: none { };`)

  test('each is followed by as many cells as it says', () => {
    const { found, problem } = findIommu(two, two.find('/dev')!)
    expect(problem).toBeNull()
    expect(found.map(({ iommu, args }) => [iommu.name, args])).toEqual([
      ['iommu@1', [0x10]],
      ['iommu@2', [0x20, 0x7f]],
      ['iommu@3', []],
    ])
    expect(buildPhandleList(parseIommus(two, two.find('/dev')!).entries)).toEqual(two.find('/dev')!.cells('iommus'))
  })

  test('what is cut off, or leads to no IOMMU, is told', () => {
    expect(findIommu(two, two.find('/cut')!).problem).toBe('iommus: iommu@2 takes 2 cells, and 1 are left')
    expect(findIommu(two, two.find('/odd')!).problem).toBe('iommus: none has no #iommu-cells')
    expect(findIommu(two, two.root)).toEqual({ found: [], problem: null })
  })
})

describe('MSI', () => {
  const its = tree(`its: its { #msi-cells = <1>; msi-controller; }; v2m: v2m { msi-controller; };
    pcie@1 { msi-map = <0 &its 0x1000 0x100>; dev { }; }; pcie@2 { msi-parent = <&v2m>; }; plat { msi-parent = <&its 5>; };`)

  test('msi-map gives the ID, msi-parent keeps it', () => {
    const seen = (path: string, id?: number) => {
      const found = findMsi(its, its.find(path)!, id)
      return found && [found.controller.name, found.args, found.by]
    }
    expect(seen('/pcie@1', 0x18)).toEqual(['its', [0x1018], 'msi-map'])
    expect(seen('/pcie@1/dev', 0x18)).toEqual(['its', [0x1018], 'msi-map'])
    expect(seen('/pcie@1', 0x100)).toBeNull()
    expect(seen('/pcie@2', 0x18)).toEqual(['v2m', [0x18], 'msi-parent'])
    expect(seen('/plat')).toEqual(['its', [5], 'msi-parent'])
    expect(seen('/pcie@1')).toBeNull()
  })
})

describe('ranges', () => {
  const soc = tree(`#address-cells = <2>; #size-cells = <2>;
    soc { #address-cells = <1>; #size-cells = <1>; ranges = <0x0 0x1 0x80000000 0x10000000>; dma-ranges = <0xc0000000 0 0 0x40000000>;
      bus@1000 { #address-cells = <1>; #size-cells = <1>; ranges = <0 0x1000 0x1000>; dma-ranges; uart@10 { reg = <0x10 4 0x20 8>; }; };
      lost { #address-cells = <1>; #size-cells = <1>; }; };
    pcie@40000000 { device_type = "pci"; #address-cells = <3>; #size-cells = <2>;
      ranges = <0x01000000 0 0 0 0x3eff0000 0 0x10000>, <0x02000000 0 0x10000000 0 0x10000000 0 0x2eff0000>,
               <0x43000000 0x80 0 0x80 0 0x80 0>; };`)
  const at = (path: string) => soc.find(path)!

  test('an address is followed through every bus to the root', () => {
    expect(translateAddress(at('/soc/bus@1000'), 0x10, 'ranges')).toEqual({ ok: true, address: 0x1_8000_1010 })
    expect(translateAddress(at('/soc/bus@1000'), 0x1000, 'ranges')).toMatchObject({
      ok: false,
      reason: 'no entry in ranges of /soc/bus@1000 has 0x1000',
    })
    expect(translateAddress(at('/soc/lost'), 0, 'ranges')).toMatchObject({ ok: false, stoppedAt: at('/soc/lost') })
    expect(parseReg(at('/soc/bus@1000/uart@10'))).toEqual([
      { upper: 0, address: 0x10, size: 4 },
      { upper: 0, address: 0x20, size: 8 },
    ])
    expect(buildReg(at('/soc/bus@1000'), parseReg(at('/soc/bus@1000/uart@10')))).toEqual([0x10, 4, 0x20, 8])
  })

  test('PCI windows are told apart by their space; memory of 32 and 64 bits is one', () => {
    const pcie = at('/pcie@40000000')
    const { entries } = parseRanges(pcie, 'ranges')
    expect(entries[2]).toEqual({
      childUpper: 0x4300_0000,
      child: 0x80_0000_0000,
      parentUpper: 0,
      parent: 0x80_0000_0000,
      size: 0x80_0000_0000,
    })
    expect(buildRanges(pcie, soc.root, entries)).toEqual(pcie.cells('ranges'))
    expect(translateAddress(pcie, 0x100, 'ranges', 0x0100_0000)).toEqual({ ok: true, address: 0x3eff_0100 })
    expect(translateAddress(pcie, 0x100, 'ranges', 0x0200_0000).ok).toBe(false)
    expect(translateAddress(pcie, 0x80_0000_1000, 'ranges', 0x0200_0000)).toEqual({ ok: true, address: 0x80_0000_1000 })
  })

  test('dma-ranges: an empty one is passed, the first that is not holds', () => {
    const windows = findDmaWindows(at('/soc/bus@1000'))
    expect(windows).toEqual({
      on: at('/soc'),
      windows: [{ bus: 0xc000_0000, cpu: 0, size: 0x4000_0000 }],
      problem: null,
    })
    expect(cpuAddressOf(windows, 0xc000_1000)).toBe(0x1000)
    expect(cpuAddressOf(windows, 0x1000)).toBeNull()
    expect(cpuAddressOf(findDmaWindows(at('/pcie@40000000')), 0x1000)).toBe(0x1000)
    expect(translateAddress(at('/soc/bus@1000'), 0xc000_0004, 'dma-ranges')).toEqual({ ok: true, address: 4 })
  })

  test('dma-ranges below a bus that has none is an error, as in Linux', () => {
    const gap = tree('a { b { dma-ranges; }; };')
    expect(findDmaWindows(gap.find('/a/b')!).problem).toBe('/a has no dma-ranges, and a bus below it has')
  })

  test('values above 2^53 stay exact', () => {
    const high = tree(`#address-cells = <2>; bus { #address-cells = <2>; #size-cells = <1>;
      ranges = <0x08000000 0 0xffffffff 0xfffff000 0x1000>; };`)
    expect(parseRanges(high.find('/bus')!, 'ranges').entries[0]).toMatchObject({
      child: '0x0800000000000000',
      parent: '0xfffffffffffff000',
    })
    expect(translateAddress(high.find('/bus')!, '0x0800000000000123', 'ranges')).toEqual({
      ok: true,
      address: '0xfffffffffffff123',
    })
  })
})

describe('coherency', () => {
  test('the nearest node that says something counts', () => {
    const mixed = tree('dma-coherent; soc { dma-noncoherent; a { }; b { dma-coherent; }; }; c { };')
    const of = (path: string) => findCoherency(mixed.find(path)!).coherent
    expect([of('/soc/a'), of('/soc/b'), of('/c')]).toEqual([false, true, true])
    const silent = tree('a { };')
    expect(findCoherency(silent.find('/a')!, true)).toEqual({ coherent: true, on: null })
    expect(findCoherency(silent.find('/a')!)).toEqual({ coherent: false, on: null })
  })
})

describe('ibm,dma-window', () => {
  test("QEMU's pseries gives its host bridge 1 GiB from 0", () => {
    const pseries = golden('qemu-7.2-pseries')
    const phb = pseries.find('/pci@800000020000000')!
    expect(parseIbmDmaWindow(phb)).toEqual([{ liobn: 0x8000_0000, address: 0, size: 0x4000_0000 }])
    expect(findIbmDmaWindow(phb.children[0] ?? phb)!.on).toBe(phb)
    const made = tree('phb { };').find('/phb')!
    setIbmDmaWindow(made, { liobn: 0x8000_0000, address: 0, size: 0x4000_0000 })
    expect(made.cells('ibm,dma-window')).toEqual(phb.cells('ibm,dma-window'))
    expect(findIbmDmaWindow(tree('a { };').find('/a')!)).toBeNull()
  })
})

describe('xen,grant-dma', () => {
  test('the one cell is the domain of the backend', () => {
    const xen = tree(`x: xen_iommu { compatible = "xen,grant-dma"; #iommu-cells = <1>; };
      virtio@1 { iommus = <&x 2>; }; virtio@2 { }; pcie { iommu-map = <0x8 &x 3 1>; };`)
    expect(findXenGrantBackend(xen, xen.find('/virtio@1')!)).toBe(2)
    expect(findXenGrantBackend(xen, xen.find('/virtio@2')!)).toBeNull()
    expect(findXenGrantBackend(xen, xen.find('/pcie')!, 8)).toBe(3)
    expect(findXenGrantBackend(xen, xen.find('/pcie')!, 9)).toBeNull()
  })
})

describe('reserved memory', () => {
  test('a restricted pool is found through memory-region', () => {
    const pool = tree(`#address-cells = <2>; #size-cells = <2>;
      reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
        p: pool@50000000 { compatible = "restricted-dma-pool"; reg = <0 0x50000000 0 0x400000>; };
        q: dyn { compatible = "shared-dma-pool"; size = <0 0x100000>; reusable; }; r: gone@1 { no-map; reg = <0 1 0 1>; }; };
      a { memory-region = <&q &p>; }; b { memory-region = <&q>; };`)
    const found = findRestrictedDmaPool(pool, pool.find('/a')!)!
    expect([found.node.name, found.places]).toEqual(['pool@50000000', [{ address: 0x5000_0000, size: 0x40_0000 }]])
    expect(findRestrictedDmaPool(pool, pool.find('/b')!)).toBeNull()
    expect(reservedRegions(pool).map(({ size, noMap, reusable }) => [size, noMap, reusable])).toEqual([
      [null, false, false],
      [0x10_0000, false, true],
      [null, true, false],
    ])
  })
})

describe('interrupt-map', () => {
  const board = tree(`interrupt-parent = <&gic>; #address-cells = <2>; #size-cells = <2>;
    gic: gic { interrupt-controller; #interrupt-cells = <3>; #address-cells = <2>; };
    pcie { #address-cells = <3>; #size-cells = <2>; #interrupt-cells = <1>; interrupt-map-mask = <0x1800 0 0 7>;
      interrupt-map = <0x0000 0 0 1 &gic 0 0 0 3 4>, <0x0000 0 0 2 &gic 0 0 0 4 4>, <0x0800 0 0 1 &gic 0 0 0 4 4>; };
    round { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &round2 1>; };
    round2: other { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &{/round} 1>; };
    uart { interrupts = <0 1 4>; };`)

  test('§2.4.3 the pin of a PCI function arrives at the GIC', () => {
    const pcie = board.find('/pcie')!
    const map = parseInterruptMap(board, pcie)!
    expect(map.problem).toBeNull()
    expect(map.entries).toHaveLength(3)
    expect(buildInterruptMap(map.entries)).toEqual(pcie.cells('interrupt-map'))
    // 00:01.1, INTA: the mask leaves the function and the slot's upper bits out.
    const found = resolveInterrupt(board, pcie, [0x0900, 0, 0], [1])
    expect(found).toMatchObject({ ok: true, specifier: [0, 4, 4] })
    expect(found.ok && found.controller.name).toBe('gic')
    expect(resolveInterrupt(board, pcie, [0, 0, 0], [4])).toMatchObject({
      ok: false,
      reason: 'no entry in interrupt-map of /pcie matches <0 0 0 4>',
    })
  })

  test('maps in a circle end', () => {
    const found = resolveInterrupt(board, board.find('/round')!, [], [1])
    expect(found.ok).toBe(false)
    expect(!found.ok && found.reason).toContain('circle')
  })

  test("every slot and pin of QEMU's riscv virt arrives at its PLIC", () => {
    const riscv = golden('qemu-11.1-riscv')
    const bridge = riscv.find('/soc/pci@30000000')!
    for (let slot = 0; slot < 32; slot++) {
      for (let pin = 1; pin <= 4; pin++) {
        const found = resolveInterrupt(riscv, bridge, [slot << 11, 0, 0], [pin])
        // QEMU's gpex swizzles four lines from 32 on.
        expect(found, `${slot} ${pin}`).toMatchObject({ ok: true, specifier: [32 + ((slot + pin - 1) % 4)] })
      }
    }
  })
})

test('what was built with bindings is found again in the blob', () => {
  const made = tree('smmu: smmu { #iommu-cells = <1>; }; pcie { };')
  made.find('/pcie')!.set('iommu-map', buildIdMap(identityMapExcept(5, [])))
  made.find('/smmu')!.set('phandle', 5)
  const again = parseDtb(buildDtb(made))
  expect(findIommu(again, again.find('/pcie')!, 0xffff).found[0]!.iommu.name).toBe('smmu')
})
