import type { CpuBus } from '@dmascope/memory/contracts'
import {
  addAriCapability,
  addExpressCapability,
  ConfigSpace,
  type PciFunction as PciModel,
  type PhysicalFunction,
  RootComplex,
  RootPort,
  readOnlyImage,
  SriovCapability,
} from '@dmascope/pci'
import { PCI_EXT_CAP_ID_SRIOV, PCIE_ENDPOINT } from '@dmascope/pci/spec'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseGuest } from '../src/index.ts'
import { ConfigAccess } from '../src/pci/config-access.ts'
import { enumerate } from '../src/pci/enumerate.ts'
import type { PciFunction } from '../src/pci/pci-function.ts'
import type { Sriov } from '../src/pci/sriov.ts'
import { placeVirtualBars } from '../src/pci/sriov-resources.ts'
import { VirtualFunctions } from '../src/pci/virtual-functions.ts'

const ECAM = { base: 0x40_1000_0000, segment: 0, startBus: 0, endBus: 255 }
const WINDOWS = new Map([
  [
    0,
    { ports: 0x1_0000, memory: { base: 0xc000_0000, size: 0x2000_0000 }, memory64: { base: 2 ** 33, size: 2 ** 33 } },
  ],
])
const silent = (): void => {}

interface Access {
  readonly kind: 'read' | 'write'
  readonly offset: number
  readonly width: number
  readonly value: number
}

const plain = (config: ConfigSpace): PciModel => ({
  config,
  connect() {},
  readBar: (_bar, _offset, _width, out) => void out.fill(0),
  writeBar() {},
  work: () => 'idle',
  reset: () => config.reset(),
})

/** The 82576 as QEMU has it: First VF Offset 80h, VF Stride 2, VF BARs 0 and 3 of 16 KiB. */
function physical(firstVfOffset = 0x80, vfStride = 2, totalVfs = 8): PhysicalFunction {
  const config = new ConfigSpace({
    vendorId: 0x8086,
    deviceId: 0x10c9,
    classCode: 0x020000,
    size: 4096,
    bars: [{ bar: 0, kind: 'memory32', size: 0x2_0000 }],
  })
  addExpressCapability(config, { type: PCIE_ENDPOINT, offset: 0xa0 })
  addAriCapability(config, { offset: 0x100 })
  const bars = [0, 3].map((bar) => ({ bar, kind: 'memory64' as const, size: 0x4000, prefetchable: true }))
  const sriov = new SriovCapability(config, {
    offset: 0x160,
    totalVfs,
    firstVfOffset,
    vfStride,
    vfDeviceId: 0x10ca,
    bars,
  })
  const virtualFunctions = Array.from({ length: totalVfs }, () => {
    const own = new ConfigSpace({
      vendorId: 0x8086,
      deviceId: 0x10ca,
      classCode: 0x020000,
      revisionId: 1,
      size: 4096,
      bars,
      virtualFunction: true,
    })
    addExpressCapability(own, { type: PCIE_ENDPOINT, offset: 0xa0 })
    return plain(own)
  })
  return { ...plain(config), sriov, virtualFunctions }
}

/** Below a root port at 00:02.0 with buses 1 to `subordinate`, its windows as firmware sets them. */
function machine(one: PciModel, subordinate = 1) {
  const root = new RootComplex()
  const port = new RootPort({ slot: 1 })
  root.attach(port, { device: 2 })
  root.attach(one, { bus: port.secondary, device: 0 })
  port.config.write(0x18, 4, (subordinate << 16) | 0x0100)
  port.config.write(0x20, 4, 0xfe20_fe00)
  port.config.write(0x24, 4, 0xfdf1_fde1)
  one.config.write(0x10, 4, 0xfe00_0000)
  one.config.write(0x04, 2, 0x0002)
  const ecam = root.createEcam()
  const accesses: Access[] = []
  const at = (address: number): number => address - ECAM.base
  const read = (width: 1 | 2 | 4) => (address: number) => {
    const value = ecam.read(at(address), width)
    accesses.push({ kind: 'read', offset: at(address), width, value })
    return value
  }
  const write = (width: 1 | 2 | 4) => (address: number, value: number) => {
    accesses.push({ kind: 'write', offset: at(address), width, value })
    ecam.write(at(address), width, value)
  }
  const bus: CpuBus = {
    readBytes: (_address, into) => into.fill(0xff),
    writeBytes() {},
    nextInterrupt: () => -1,
    idle: () => true,
    read8: read(1),
    read16: read(2),
    read32: read(4),
    write8: write(1),
    write16: write(2),
    write32: write(4),
  }
  const config = new ConfigAccess(bus, [ECAM], false)
  const scan = (): PciFunction[] => enumerate(config, [{ segment: 0, bus: 0 }], false, silent)
  return { root, port, config, accesses, scan }
}

const CAPABILITY = 0x10_0160
const writesTo = (accesses: readonly Access[], first: number, end: number) =>
  accesses
    .filter(({ kind, offset }) => kind === 'write' && offset >= CAPABILITY + first && offset < CAPABILITY + end)
    .map(({ offset, value }) => [offset - CAPABILITY, value])

function found(functions: readonly PciFunction[]): PciFunction & { readonly sriov: Sriov } {
  const one = functions.find(({ sriov }) => sriov !== undefined)
  if (one?.sriov === undefined) throw new Error('no physical function was found')
  return { ...one, sriov: one.sriov }
}

describe('enumeration (pci_configure_ari, sriov_init)', () => {
  test('1. turns on ARI Forwarding above, 2. says so in SR-IOV Control, 3. sets the page size, 4. tries NumVFs', () => {
    const { scan, accesses, port } = machine(physical())
    const { sriov } = found(scan())
    expect(port.ariForwarding).toBe(true)
    expect(writesTo(accesses, 0x00, 0x24)).toEqual([
      [0x08, 0x10],
      [0x20, 1],
      [0x10, 8],
      [0x10, 0],
    ])
    expect(sriov).toMatchObject({ offset: 0x160, totalVfs: 8, vfDeviceId: 0x10ca, control: 0x10 })
    expect(sriov.bars).toEqual([
      { index: 0, kind: 'memory', base: 0, size: 0x4000 },
      { index: 3, kind: 'memory', base: 0, size: 0x4000 },
    ])
  })

  test('finds no virtual function, as there is none', () => {
    expect(machine(physical()).scan()).toHaveLength(2)
  })

  test('clears VF Enable where somebody left it set', () => {
    const one = physical()
    const { scan } = machine(one)
    one.config.write(0x170, 2, 4)
    one.config.write(0x168, 2, 0x9)
    expect(scan()).toHaveLength(2)
    expect(one.sriov?.enabledVfs).toBe(0)
  })

  const beside = (next: number | null) => {
    const config = new ConfigSpace({ vendorId: 1, deviceId: 2, classCode: 0x020000, size: 4096, multifunction: true })
    addExpressCapability(config, { type: PCIE_ENDPOINT })
    if (next !== null) addAriCapability(config, { offset: 0x100, nextFunction: next })
    const all = machine(plain(config))
    const other = new ConfigSpace({ vendorId: 1, deviceId: 3, classCode: 0x020000 })
    all.root.attach(plain(other), { bus: all.port.secondary, device: 0, fn: 2 })
    return all.scan().map(({ id }) => id.slice(5))
  }

  test('finds functions of an ARI device by its chain alone, whatever the header says', () => {
    expect(beside(null)).toEqual(['00:02.0', '01:00.0', '01:00.2'])
    expect(beside(2)).toEqual(['00:02.0', '01:00.0', '01:00.2'])
    expect(beside(0)).toEqual(['00:02.0', '01:00.0'])
  })

  test('leaves a capability alone whose offsets are nonsense', () => {
    const config = new ConfigSpace({ vendorId: 1, deviceId: 2, classCode: 0x020000, size: 4096 })
    addExpressCapability(config, { type: PCIE_ENDPOINT })
    const body = new Uint8Array(0x40)
    body[0x0e] = 8
    body[0x1c] = 1
    config.addExtendedCapability(PCI_EXT_CAP_ID_SRIOV, 1, readOnlyImage(body), 0x100)
    const { scan } = machine(plain(config))
    expect(scan().map(({ sriov }) => sriov)).toEqual([undefined, undefined])
  })
})

describe('VF BARs', () => {
  test('go to the lowest free places of the window above, each as large as all virtual functions need', () => {
    const one = physical()
    const { scan, config } = machine(one)
    const functions = scan()
    placeVirtualBars(config, functions, WINDOWS, silent)
    expect(one.config.read(0x184, 4)).toBe(0xfde0_000c)
    expect(one.config.read(0x190, 4)).toBe(0xfde2_000c)
  })

  test('stay unplaced where there is no room, so that nothing can be enabled', () => {
    const one = physical()
    const { scan, config, port } = machine(one)
    port.config.write(0x24, 4, 0x0001_fff1)
    port.config.write(0x20, 4, 0x0000_fff0)
    const log: string[] = []
    const functions = scan()
    placeVirtualBars(config, functions, WINDOWS, (line) => log.push(line))
    expect(log[0]).toBe("pci 0000:01:00.0: VF BAR 0: can't assign; no space for 131072 bytes")
    const refused = new VirtualFunctions(config, false).enable(found(functions), 1)
    expect(refused).toBe('not enough MMIO resources for SR-IOV (-ENOMEM)')
  })
})

describe('sriov_enable', () => {
  const ready = (one: PhysicalFunction, subordinate = 1) => {
    const all = machine(one, subordinate)
    const functions = all.scan()
    placeVirtualBars(all.config, functions, WINDOWS, silent)
    all.accesses.length = 0
    return { ...all, fn: found(functions), virtual: new VirtualFunctions(all.config, false) }
  }

  test('1. writes NumVFs, 2. sets VF Enable and VF MSE, and then there is what the capability says', () => {
    const { fn, virtual, accesses } = ready(physical())
    expect(virtual.enable(fn, 3)).toBeNull()
    expect(writesTo(accesses, 0x00, 0x40)).toEqual([
      [0x10, 3],
      [0x08, 0x19],
    ])
    const one = virtual.read(fn, 2)
    expect(one).toMatchObject({
      id: '0000:01:10.4',
      vendorId: 0x8086,
      deviceId: 0x10ca,
      classCode: 0x020000,
      revision: 1,
      interruptPin: 0,
      bars: [
        { index: 0, kind: 'memory', base: 0xfde0_8000, size: 0x4000 },
        { index: 3, kind: 'memory', base: 0xfde2_8000, size: 0x4000 },
      ],
    })
    expect(one.parent?.id).toBe('0000:00:02.0')
    expect(one.physical?.id).toBe('0000:01:00.0')
  })

  test('refuses bus numbers that the port above does not have, in the words of the kernel', () => {
    const { fn, virtual } = ready(physical(0xf8, 0x10))
    expect(virtual.enable(fn, 1)).toBeNull()
    const other = ready(physical(0xf8, 0x10))
    expect(other.virtual.enable(other.fn, 2)).toBe("can't enable 2 VFs (bus 02 out of range of [bus 01-01]) (-ENOMEM)")
    expect(other.config.read(other.fn, 0x170, 2)).toBe(0)
  })

  test('takes further bus numbers that it has', () => {
    const { fn, virtual, root } = ready(physical(0xf8, 0x10), 2)
    expect(virtual.enable(fn, 2)).toBeNull()
    expect(virtual.read(fn, 1)).toMatchObject({ id: '0000:02:01.0', classCode: 0x020000 })
    expect(root.functionAt(0x0208)).not.toBeNull()
  })

  test('refuses more than there can be', () => {
    const { fn, virtual } = ready(physical())
    expect(virtual.enable(fn, 9)).toBe('9 of 8 virtual functions (-EINVAL)')
  })

  test('no capability whatsoever makes it throw, or go on for ever', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0x40, maxLength: 0x40 }), fc.nat(0xffff), (body, count) => {
        const config = new ConfigSpace({ vendorId: 1, deviceId: 2, classCode: 0x020000, size: 4096 })
        addExpressCapability(config, { type: PCIE_ENDPOINT })
        const image = readOnlyImage(body)
        image.writeMask.fill(0xff, 0x08, 0x40)
        config.addExtendedCapability(PCI_EXT_CAP_ID_SRIOV, 1, image, 0x100)
        const all = machine(plain(config))
        const functions = all.scan()
        placeVirtualBars(all.config, functions, WINDOWS, silent)
        const fn = functions.find(({ sriov }) => sriov !== undefined)
        if (fn?.sriov === undefined) return
        const virtual = new VirtualFunctions(all.config, false)
        if (virtual.enable({ ...fn, sriov: fn.sriov }, Math.max(count, 1)) === null) {
          expect(virtual.read({ ...fn, sriov: fn.sriov }, count - 1).physical).toBe(fn)
        }
      }),
      { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) },
    )
  })
})

describe('sriov= of a guest', () => {
  test('names devices with or without a number, or all; may be repeated; and loads igb and igbvf', () => {
    const guest = parseGuest('linux-6.12,sriov=00:03.0/2,sriov=0001:01:00.0,sriov=all')
    expect(guest.sriov).toEqual([
      { device: '0000:00:03.0', count: 2 },
      { device: '0001:01:00.0', count: null },
      { device: 'all', count: null },
    ])
    expect(guest.drivers.map(({ name }) => name)).toEqual(expect.arrayContaining(['igb', 'igbvf']))
    expect(parseGuest('linux-6.12').drivers.map(({ name }) => name)).not.toContain('igb')
  })

  test.each(['', '3', '00:03.0/0', '00:03.0/x', '00:03.0/2/2', '00:03.0/65536'])(
    'refuses %j and says what to write',
    (value) => {
      expect(() => parseGuest(`linux-6.12,sriov=${value}`)).toThrow(/write sriov=all, or a device and 1 to 65535/)
    },
  )

  test('its modules can be left out', () => {
    const guest = parseGuest('linux-6.12,sriov=all,without=igbvf')
    expect(guest.drivers.map(({ name }) => name)).not.toContain('igbvf')
  })
})
