import { ConfigSpace, type PciFunction, RootComplex, RootPort } from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'

const nic: PciFunction = {
  config: new ConfigSpace({
    vendorId: 0x1af4,
    deviceId: 0x1041,
    classCode: 0x020000,
    size: 4096,
    bars: [{ bar: 4, kind: 'memory64', size: 0x4000, prefetchable: true }],
  }),
  connect() {},
  readBar(_bar, _offset, _width, out) {
    out.fill(0)
  },
  writeBar() {},
  work: () => 'idle',
  reset() {},
}

const complex = new RootComplex()
const port = new RootPort({ slot: 1 })
complex.attach(port, { device: 2 })
complex.attach(nic, { bus: port.secondary, device: 0 })

// What firmware does, through ECAM: bus numbers, a prefetchable window, the BAR, and decoding in both.
const ecam = complex.createEcam()
const functionBase = (bus: number, device: number): number => (bus << 20) | (device << 15)
ecam.write(functionBase(0, 2) + 0x18, 4, 0x00_01_01_00)
ecam.write(functionBase(0, 2) + 0x24, 4, 0xfe91_fe81)
ecam.write(functionBase(0, 2) + 0x04, 2, 0x0007)
ecam.write(functionBase(1, 0) + 0x20, 4, 0xfe80_0000)
ecam.write(functionBase(1, 0) + 0x04, 2, 0x0006)

for (const slot of complex.functions()) {
  const { vendorId, deviceId } = slot.function.config
  console.log(`${formatBdf(slot.requesterId)} ${vendorId.toString(16)}:${deviceId.toString(16).padStart(4, '0')}`)
}
const found = complex.decodeMemory(0xfe80_3000)
console.log(
  `0xfe803000 is BAR ${found?.bar} of the NIC: ${found?.function === nic}, offset 0x${found?.offset.toString(16)}`,
)
port.config.write(0x04, 2, 0)
console.log(`and with the port's decoding off: ${complex.decodeMemory(0xfe80_3000)}`)
