import { buildDtb, parseDtb, parseDts } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runUefi } from '../src/index.ts'

const RUNS = { numRuns: Math.min(Number(process.env.DMASCOPE_FUZZ_RUNS ?? 100), 500) }
const RAM = 0x4000_0000
const RAM_BYTES = 0x200_0000
const FW_CFG = 0x0902_0000

/** RAM, and a fw_cfg with the files given; nothing else answers. */
function arm(files: Readonly<Record<string, Uint8Array>> | null): CpuBus {
  const ram = new Uint8Array(RAM_BYTES)
  const names = Object.keys(files ?? {})
  const directory = new Uint8Array(4 + 64 * names.length)
  const view = new DataView(directory.buffer)
  view.setUint32(0, names.length)
  for (const [index, name] of names.entries()) {
    view.setUint32(4 + 64 * index, files![name]!.length)
    view.setUint16(8 + 64 * index, 0x20 + index)
    directory.set(
      Uint8Array.from(name, (letter) => letter.charCodeAt(0)),
      12 + 64 * index,
    )
  }
  let item = new Uint8Array(0)
  let next = 0
  const select = (key: number): void => {
    next = 0
    if (key === 0) item = Uint8Array.from('QEMU', (letter) => letter.charCodeAt(0))
    else if (key === 1) item = Uint8Array.of(3, 0, 0, 0)
    else if (key === 0x19) item = directory
    else item = new Uint8Array(files?.[names[key - 0x20] ?? ''] ?? [])
  }
  const at = (address: number): number => (address >= RAM && address < RAM + RAM_BYTES ? address - RAM : -1)
  const read8 = (address: number): number => {
    if (address === FW_CFG && files !== null) return item[next++] ?? 0
    return at(address) < 0 ? 0xff : ram[at(address)]!
  }
  const write8 = (address: number, value: number): void => {
    if (at(address) >= 0) ram[at(address)] = value
  }
  const wide = (address: number, width: number): number =>
    Array.from({ length: width }, (_, index) => read8(address + index) * 2 ** (8 * index)).reduce((a, b) => a + b)
  return {
    read8,
    read16: (address) => wide(address, 2),
    read32: (address) => wide(address, 4),
    write8,
    write16(address, value) {
      // The selector is big-endian.
      if (address === FW_CFG + 8) select(((value & 0xff) << 8) | (value >>> 8))
    },
    write32() {},
    readBytes(address, into) {
      for (let index = 0; index < into.length; index++) into[index] = read8(address + index)
    },
    writeBytes(address, from) {
      for (const [index, value] of from.entries()) write8(address + index, value)
    },
    nextInterrupt: () => -1,
    idle: () => true,
  }
}

const TREE = `/dts-v1/;
/ {
  #address-cells = <2>;
  #size-cells = <2>;
  memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x2000000>; };
  fw-cfg@9020000 { compatible = "qemu,fw-cfg-mmio"; reg = <0 0x9020000 0 0x18>; };
  chosen { bootargs = "panic=1"; };
};`

const withTree = (bus: CpuBus, text = TREE): CpuBus => {
  bus.writeBytes(RAM, buildDtb(parseDts(text)))
  return bus
}

/** One command of the table loader: 128 bytes, little-endian. */
function allocate(file: string, align: number, zone: 1 | 2): Uint8Array {
  const bytes = new Uint8Array(128)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 1, true)
  bytes.set(
    Uint8Array.from(file, (letter) => letter.charCodeAt(0)),
    4,
  )
  view.setUint32(60, align, true)
  view.setUint8(64, zone)
  return bytes
}

describe('UEFI', () => {
  it('leaves the kernel a system table with the root pointer, a memory map, and a tree that says where they are', () => {
    const rsdp = Uint8Array.from('RSD PTR ', (letter) => letter.charCodeAt(0))
    const bus = withTree(arm({ 'etc/acpi/rsdp': rsdp, 'etc/table-loader': allocate('etc/acpi/rsdp', 16, 2) }))
    const result = runUefi(bus, { deviceTree: RAM })
    expect(result.log).toEqual([])
    const loaded = new Uint8Array(8)
    bus.readBytes(result.rsdp, loaded)
    expect(loaded).toEqual(rsdp)
    const blob = new Uint8Array(0x1000)
    bus.readBytes(result.deviceTree!, blob)
    const tree = parseDtb(blob.subarray(0, new DataView(blob.buffer).getUint32(4)))
    const chosen = tree.find('/chosen')!
    expect(tree.root.children.map(({ name }) => name)).toEqual(['chosen'])
    expect(chosen.string('bootargs')).toBe('panic=1')
    const table = chosen.cells('linux,uefi-system-table')[1]!
    // EFI_SYSTEM_TABLE: entries at 104, the configuration table at 112; its first entry's pointer at 16.
    expect(bus.read32(table + 104)).toBe(1)
    expect(bus.read32(bus.read32(table + 112) + 16)).toBe(result.rsdp)
    const map = chosen.cells('linux,uefi-mmap-start')[1]!
    const stride = chosen.cell('linux,uefi-mmap-desc-size')!
    expect([bus.read32(map), bus.read32(map + 8)]).toEqual([7, RAM])
    const pages = bus.read32(map + 24)
    expect([bus.read32(map + stride), bus.read32(map + stride + 8)]).toEqual([9, RAM + pages * 4096])
    expect((pages + bus.read32(map + stride + 24)) * 4096).toBe(RAM_BYTES)
    // What the kernel is told to leave alone holds all of it.
    expect(result.deviceTree).toBeGreaterThanOrEqual(RAM + pages * 4096)
  })

  it('hands on the machine’s tree where there are no tables, or no fw_cfg', () => {
    expect(runUefi(withTree(arm({})), { deviceTree: RAM })).toMatchObject({ deviceTree: RAM, rsdp: 0 })
    expect(runUefi(withTree(arm(null)), { deviceTree: RAM })).toEqual({
      deviceTree: RAM,
      rsdp: 0,
      log: ['fw_cfg: no such device'],
    })
  })

  it('gets to an end with any tree, and any answers from fw_cfg', () => {
    const good = buildDtb(
      parseDts(
        TREE.replace(
          'chosen {',
          `pcie@40100000 {
            compatible = "pci-host-ecam-generic"; #address-cells = <3>; #size-cells = <2>;
            reg = <0 0x40100000 0 0x1000000>;
            ranges = <0x2000000 0 0x10000000 0 0x10000000 0 0x2eff0000>, <0x1000000 0 0 0 0x3eff0000 0 0x10000>;
          };
          chosen {`,
        ),
      ),
    )
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 6 }),
        fc.uint8Array({ maxLength: 256 }),
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        (changes, script, functions) => {
          const bus = arm({ 'etc/acpi/rsdp': script.subarray(0, 36), 'etc/table-loader': script })
          const blob = good.slice()
          for (const [at, value] of changes) blob[at] = value
          bus.writeBytes(RAM, blob)
          // Configuration space is RAM here: functions that say anything, and take any value.
          for (let device = 0; device < 3; device++) bus.writeBytes(0x4010_0000 + device * 0x8000, functions)
          const { deviceTree } = runUefi(bus, { deviceTree: RAM })
          expect(deviceTree === null || deviceTree >= RAM).toBe(true)
        },
      ),
      RUNS,
    )
  })

  it('starts no kernel without a tree', () => {
    const { deviceTree, log } = runUefi(arm(null), { deviceTree: RAM })
    expect(deviceTree).toBeNull()
    expect(log).toHaveLength(1)
  })
})
