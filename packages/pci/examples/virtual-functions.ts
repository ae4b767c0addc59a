import {
  addAriCapability,
  ConfigSpace,
  type PciFunction,
  type PhysicalFunction,
  RootComplex,
  SriovCapability,
} from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'

const ids = { vendorId: 0x8086, classCode: 0x020000, size: 4096 } as const
const bars = [{ bar: 0, kind: 'memory64', size: 0x4000 }] as const
const idle = (config: ConfigSpace): PciFunction => ({
  config,
  connect() {},
  readBar: (_bar, _offset, _width, out) => void out.fill(0),
  writeBar() {},
  work: () => 'idle',
  reset: () => config.reset(),
})

// A network card that can have four virtual functions, from 80h above it on.
const config = new ConfigSpace({ ...ids, deviceId: 0x10c9 })
addAriCapability(config, { offset: 0x100 })
const place = { totalVfs: 4, firstVfOffset: 0x80, vfStride: 2 }
const sriov = new SriovCapability(config, { offset: 0x110, ...place, vfDeviceId: 0x10ca, bars })
const virtualFunctions = Array.from({ length: 4 }, () =>
  idle(new ConfigSpace({ ...ids, deviceId: 0x10ca, bars, virtualFunction: true })),
)
const card: PhysicalFunction = { ...idle(config), sriov, virtualFunctions }
const complex = new RootComplex()
complex.attach(card, { device: 3 })
const list = (): string => [...complex.functions()].map(({ requesterId }) => formatBdf(requesterId)).join(', ')
console.log(`before: ${list()}`)

// What software does: the VF BAR, NumVFs, then VF Enable with VF MSE.
config.write(0x110 + 0x24, 4, 0xfe00_0000)
config.write(0x110 + 0x10, 2, 2)
config.write(0x110 + 0x08, 2, 0x0009)
console.log(`after:  ${list()}`)
console.log(`0xfe004010 is in the second: ${complex.decodeMemory(0xfe00_4010)?.function === virtualFunctions[1]}`)
console.log(`and its vendor ID reads 0x${complex.configRead(0, 0x13, 2, 0x00, 2).toString(16)}`)
