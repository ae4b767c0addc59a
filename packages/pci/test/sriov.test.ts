import {
  addAriCapability,
  addExpressCapability,
  ConfigSpace,
  type PciFunction,
  type PhysicalFunction,
  RootComplex,
  RootPort,
  SriovCapability,
  type SriovOptions,
} from '@dmascope/pci'
import { PCIE_ENDPOINT, requesterId, SRIOV_CAPABILITY } from '@dmascope/pci/spec'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

/** Of the 82576: two BARs of 16 KiB, first VF at 80h, every second routing ID. */
const OPTIONS: SriovOptions = {
  offset: 0x160,
  totalVfs: 8,
  firstVfOffset: 0x80,
  vfStride: 2,
  vfDeviceId: 0x10ca,
  bars: [
    { bar: 0, kind: 'memory64', size: 0x4000, prefetchable: true },
    { bar: 3, kind: 'memory64', size: 0x4000, prefetchable: true },
  ],
}

class Plain implements PciFunction {
  readonly config: ConfigSpace
  resets = 0
  constructor(config: ConfigSpace) {
    this.config = config
  }
  connect(): void {}
  readBar(_bar: number, _offset: number, _width: number, out: Uint32Array): void {
    out.fill(0)
  }
  writeBar(): void {}
  work(): 'idle' {
    return 'idle'
  }
  reset(): void {
    this.resets++
    this.config.reset()
  }
}

class Physical extends Plain implements PhysicalFunction {
  readonly sriov: SriovCapability
  readonly virtualFunctions: readonly Plain[]
  constructor(options: SriovOptions) {
    super(new ConfigSpace({ vendorId: 0x8086, deviceId: 0x10c9, classCode: 0x020000, size: 4096 }))
    addExpressCapability(this.config, { type: PCIE_ENDPOINT })
    addAriCapability(this.config, { offset: 0x100 })
    this.sriov = new SriovCapability(this.config, options)
    this.virtualFunctions = Array.from({ length: options.totalVfs }, () => {
      const { bars } = options
      return new Plain(
        new ConfigSpace({
          vendorId: 0x8086,
          deviceId: 0x10ca,
          classCode: 0x020000,
          size: 4096,
          bars,
          virtualFunction: true,
        }),
      )
    })
  }
  override reset(): void {
    super.reset()
    this.sriov.reset()
  }
}

/** A root port at 00:02.0 with buses 1 to `subordinate` below it, and the function at its end. */
function machine(options: SriovOptions = OPTIONS, subordinate = 1) {
  const complex = new RootComplex()
  const port = new RootPort({ slot: 1 })
  complex.attach(port, { device: 2 })
  const physical = new Physical(options)
  complex.attach(physical, { bus: port.secondary, device: 0 })
  port.config.write(0x18, 4, (subordinate << 16) | 0x0100)
  port.config.write(0x20, 4, 0xfebf_fe00)
  port.config.write(0x24, 4, 0xff1f_ff00)
  port.config.write(0x04, 2, 0x0006)
  return { complex, port, physical, write: physical.config.write.bind(physical.config) }
}

/** ARI Forwarding Enable in a root port's Device Control 2. */
function forwardAri(port: RootPort): void {
  const express = port.config.read(0x34, 1)
  for (let at = express; at !== 0; at = port.config.read(at + 1, 1)) {
    if (port.config.read(at, 1) === 0x10) port.config.write(at + 0x28, 2, 0x20)
  }
}

/** NumVFs, then VF Enable with VF MSE. */
function enable(write: ConfigSpace['write'], count: number): void {
  write(0x170, 2, count)
  write(0x168, 2, 0x0009)
}

describe('the SR-IOV extended capability', () => {
  test('§9.3.3 registers stand where the specification has them', () => {
    const { registers } = SRIOV_CAPABILITY
    const offsets = Object.fromEntries(Object.entries(registers).map(([name, { offset }]) => [name, offset]))
    expect(offsets).toEqual({
      HEADER: 0x00,
      SRIOV_CAPABILITIES: 0x04,
      SRIOV_CONTROL: 0x08,
      SRIOV_STATUS: 0x0a,
      INITIAL_VFS: 0x0c,
      TOTAL_VFS: 0x0e,
      NUM_VFS: 0x10,
      FUNCTION_DEPENDENCY_LINK: 0x12,
      FIRST_VF_OFFSET: 0x14,
      VF_STRIDE: 0x16,
      VF_DEVICE_ID: 0x1a,
      SUPPORTED_PAGE_SIZES: 0x1c,
      SYSTEM_PAGE_SIZE: 0x20,
      VF_BAR0: 0x24,
      VF_BAR1: 0x28,
      VF_BAR2: 0x2c,
      VF_BAR3: 0x30,
      VF_BAR4: 0x34,
      VF_BAR5: 0x38,
      VF_MIGRATION_STATE_ARRAY_OFFSET: 0x3c,
    })
    expect(SRIOV_CAPABILITY.size).toBe(0x40)
  })

  test('before software writes to it, all is as the device states, and there is no virtual function', () => {
    const { physical, complex } = machine()
    const { config } = physical
    expect(config.read(0x160, 4)).toBe(0x0001_0010)
    expect(config.read(0x168, 4)).toBe(0)
    expect(config.read(0x16c, 4)).toBe(0x0008_0008)
    expect(config.read(0x170, 4)).toBe(0)
    expect(config.read(0x174, 4)).toBe(0x0002_0080)
    expect(config.read(0x178, 4)).toBe(0x10ca_0000)
    expect(config.read(0x17c, 4)).toBe(0x553)
    expect(config.read(0x180, 4)).toBe(1)
    expect(config.read(0x184, 4)).toBe(0xc)
    expect([...complex.functions()]).toHaveLength(2)
  })

  test('§9.3.3.14 a VF BAR is sized like a BAR, and with system pages of 64 KiB is a multiple of these', () => {
    const { physical, write } = machine()
    write(0x184, 4, 0xffff_ffff)
    expect(physical.config.read(0x184, 4)).toBe(0xffff_c00c)
    write(0x180, 4, 0x10)
    write(0x184, 4, 0xffff_ffff)
    expect(physical.config.read(0x184, 4)).toBe(0xffff_000c)
  })

  test('§9.3.3.13 a page size that is not supported is not taken; of two, the smaller is', () => {
    const { physical, write } = machine()
    write(0x180, 4, 0x4)
    expect(physical.config.read(0x180, 4)).toBe(1)
    write(0x180, 4, 0x50)
    expect(physical.config.read(0x180, 4)).toBe(0x10)
  })

  test('§9.3.3.7 NumVFs and the page size stay as they are while VF Enable is set', () => {
    const { physical, write } = machine()
    enable(write, 2)
    write(0x170, 2, 5)
    write(0x180, 4, 0x10)
    expect(physical.config.read(0x170, 2)).toBe(2)
    expect(physical.config.read(0x180, 4)).toBe(1)
    expect(physical.sriov.enabledVfs).toBe(2)
  })

  test('more than TotalVFs are not enabled', () => {
    const { physical, write } = machine()
    enable(write, 9)
    expect(physical.config.read(0x168, 2)).toBe(0x8)
    expect(physical.sriov.enabledVfs).toBe(0)
  })

  test('impossible numbers of functions are refused at once', () => {
    expect(() => new Physical({ ...OPTIONS, totalVfs: 0 })).toThrow(RangeError)
    expect(() => new Physical({ ...OPTIONS, firstVfOffset: 0 })).toThrow(RangeError)
    expect(() => new Physical({ ...OPTIONS, vfStride: 0 })).toThrow(RangeError)
    expect(() => new Physical({ ...OPTIONS, bars: [{ bar: 0, kind: 'io', size: 16 }] })).toThrow(RangeError)
  })
})

describe('virtual functions', () => {
  test('§9.2.1.2 stand at First VF Offset, and VF Stride apart', () => {
    const { complex, physical, port, write } = machine()
    forwardAri(port)
    enable(write, 3)
    const ids = [...complex.functions()].map((slot) => slot.requesterId)
    expect(ids).toEqual([0x0010, 0x0100, 0x0180, 0x0182, 0x0184])
    expect(complex.functionAt(0x0182)).toBe(physical.virtualFunctions[1])
    expect(complex.sourceIdOf(physical.virtualFunctions[2]!)).toBe(0x0184)
    expect(complex.slotOf(physical.virtualFunctions[0]!).device).toBe(16)
  })

  test('§6.13 beyond a link they are reached only with ARI Forwarding', () => {
    const { complex, port, write } = machine()
    enable(write, 1)
    expect(complex.functionAt(0x0180)).toBeNull()
    forwardAri(port)
    expect(complex.functionAt(0x0180)).not.toBeNull()
  })

  test('§9.3.4.1 IDs read as FFFFh, BARs and decode enables as zero; bus mastering is their own', () => {
    const { complex, port, write } = machine()
    forwardAri(port)
    enable(write, 1)
    expect(complex.configRead(1, 16, 0, 0, 4)).toBe(0xffff_ffff)
    complex.configWrite(1, 16, 0, 0x10, 4, 0xffff_ffff)
    expect(complex.configRead(1, 16, 0, 0x10, 4)).toBe(0)
    complex.configWrite(1, 16, 0, 0x04, 2, 0x0007)
    expect(complex.configRead(1, 16, 0, 0x04, 2)).toBe(0x0004)
    expect(complex.configRead(1, 16, 0, 0x08, 4) >>> 8).toBe(0x020000)
  })

  test('each answers at its part of the VF BARs, while VF MSE is set', () => {
    const { complex, physical, write } = machine()
    write(0x184, 4, 0xff00_0000)
    enable(write, 2)
    const found = complex.decodeMemory(0xff00_4010)
    expect(found).toMatchObject({ bar: 0, offset: 0x10 })
    expect(found?.function).toBe(physical.virtualFunctions[1])
    expect(complex.decodeMemory(0xff00_8000)).toBeNull()
    write(0x168, 2, 0x0001)
    expect(complex.decodeMemory(0xff00_4010)).toBeNull()
  })

  test('take further bus numbers, as far as the port forwards them', () => {
    const far = { ...OPTIONS, firstVfOffset: 0xf8, vfStride: 0x10 }
    const { complex, physical, port, write } = machine(far, 2)
    forwardAri(port)
    enable(write, 3)
    expect(complex.requesterIdOf(physical.virtualFunctions[1]!)).toBe(requesterId(2, 1, 0))
    expect(complex.functionAt(requesterId(2, 1, 0))).toBe(physical.virtualFunctions[1])
    expect(complex.configRead(2, 1, 0, 0x08, 4) >>> 8).toBe(0x020000)
    port.config.write(0x1a, 1, 1)
    expect(complex.functionAt(requesterId(2, 1, 0))).toBeNull()
  })

  test('are gone, and reset, when VF Enable is cleared, and when the physical function is reset', () => {
    const { complex, physical, port, write } = machine()
    forwardAri(port)
    enable(write, 2)
    write(0x168, 2, 0)
    expect(physical.virtualFunctions.map(({ resets }) => resets)).toEqual([1, 1, 0, 0, 0, 0, 0, 0])
    expect(complex.functionAt(0x0180)).toBeNull()
    enable(write, 1)
    physical.reset()
    expect(complex.functionAt(0x0180)).toBeNull()
    expect(physical.config.read(0x170, 2)).toBe(0)
    expect(physical.virtualFunctions[0]!.resets).toBe(2)
  })

  test('a reset of one leaves its BARs where the physical function has them', () => {
    const { complex, physical, write } = machine()
    write(0x184, 4, 0xff00_0000)
    enable(write, 1)
    physical.virtualFunctions[0]!.reset()
    expect(complex.decodeMemory(0xff00_0000)?.function).toBe(physical.virtualFunctions[0])
  })

  test('whatever is written to the capability, what exists is what NumVFs and VF Enable say', () => {
    const action = fc.tuple(fc.integer({ min: 0x164, max: 0x19f }), fc.constantFrom(1, 2, 4), fc.nat(0xffff_ffff))
    const { complex, physical, port } = machine()
    forwardAri(port)
    fc.assert(
      fc.property(fc.array(action, { maxLength: 8 }), (writes) => {
        for (const [offset, width, value] of writes) physical.config.write(offset, width as 1 | 2 | 4, value)
        const enabled = (physical.config.read(0x168, 2) & 1) === 1
        const count = enabled ? physical.config.read(0x170, 2) : 0
        expect(count).toBeLessThanOrEqual(8)
        for (const [index, one] of physical.virtualFunctions.entries()) {
          expect(complex.functionAt(0x0180 + 2 * index) === one).toBe(index < count)
          for (const { address } of one.config.bars) {
            if (address !== null) expect(index < count && Number.isSafeInteger(address)).toBe(true)
          }
        }
        physical.config.write(0x168, 2, 0)
      }),
      { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) },
    )
  })
})
