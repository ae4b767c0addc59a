import { runFirmware } from '@dmascope/firmware'
import { AddressSpace, type CpuBus, GuestRam, PortSpace } from '@dmascope/memory'
import { ConfigSpace, type ConfigSpaceOptions, type PciFunction, RootComplex, RootPort } from '@dmascope/pci'
import { formatRequesterId } from '@dmascope/pci/spec'

// A machine of 256 MiB, a Q35 host bridge, a network card, and one more behind a root port.
const space = new AddressSpace(new GuestRam([{ base: 0, size: 0x1000_0000 }]))
const root = new RootComplex()
const ports = new PortSpace()
ports.add(0xcf8, 8, root.createCf8Ports())

const device = (options: ConfigSpaceOptions): PciFunction => ({
  config: new ConfigSpace(options),
  connect() {},
  readBar: (_bar, _offset, _width, out) => out.fill(0),
  writeBar() {},
  work: () => 'idle',
  reset() {},
})
const card: ConfigSpaceOptions = {
  vendorId: 0x8086,
  deviceId: 0x10d3,
  classCode: 0x02_0000,
  bars: [
    { bar: 0, kind: 'memory32', size: 0x2_0000 },
    { bar: 2, kind: 'io', size: 0x20 },
  ],
}
root.attach(device({ vendorId: 0x8086, deviceId: 0x29c0, classCode: 0x06_0000 }), { device: 0 })
root.attach(device(card), { device: 2 })
const port = new RootPort()
root.attach(port, { device: 3 })
root.attach(device(card), { bus: port.secondary, device: 0 })

// fw_cfg with its signature, the byte interface alone, and the size of RAM.
const items: Record<number, number[]> = { 0: [0x51, 0x45, 0x4d, 0x55], 1: [1], 3: [0, 0, 0, 0x10] }
let item: number[] = []
ports.add(0x510, 2, {
  read: () => item.shift() ?? 0,
  write: (_offset, _width, key) => {
    item = [...(items[key] ?? [])]
  },
})

const bus: CpuBus = {
  read8: (address) => space.read(address, 1),
  read16: (address) => space.read(address, 2),
  read32: (address) => space.read(address, 4),
  write8: (address, value) => space.write(address, 1, value),
  write16: (address, value) => space.write(address, 2, value),
  write32: (address, value) => space.write(address, 4, value),
  readBytes: (address, into) => space.readBytes(address, into),
  writeBytes: (address, from) => space.writeBytes(address, from),
  ports: {
    in8: (port) => ports.read(port, 1),
    in16: (port) => ports.read(port, 2),
    in32: (port) => ports.read(port, 4),
    out8: (port, value) => ports.write(port, 1, value),
    out16: (port, value) => ports.write(port, 2, value),
    out32: (port, value) => ports.write(port, 4, value),
  },
  nextInterrupt: () => -1,
  idle: () => true,
}

const { placed, e820 } = runFirmware(bus)
for (const { owner, bar, type, address, size } of placed ?? []) {
  const what = bar === null ? 'window' : `BAR ${bar}`
  const kind = ['ports', 'memory', 'prefetchable'][type]
  console.log(`${formatRequesterId(owner.id)} ${what} ${kind} 0x${address.toString(16)}, 0x${size.toString(16)} bytes`)
}
for (const { base, length, type } of e820.filter((range) => range.type === 1)) {
  console.log(`RAM 0x${base.toString(16)}, 0x${length.toString(16)} bytes, type ${type}`)
}
