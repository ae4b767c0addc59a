import { createMachine, describePreset, findPreset } from '@dmascope/machine'

const { machine } = createMachine(describePreset(findPreset('default')))
const ports = machine.bus.ports

// As any PC's software does: a function's address to port 0xcf8, its registers at 0xcfc.
const readConfig = (device: number, fn: number, offset: number): number => {
  ports?.out32(0xcf8, (0x8000_0000 | (device << 11) | (fn << 8) | offset) >>> 0)
  return ports?.in32(0xcfc) ?? 0xffff_ffff
}
const id = readConfig(2, 0, 0)
console.log(`00:02.0 is ${(id & 0xffff).toString(16)}:${(id >>> 16).toString(16)}`)

// What the machine itself saw of every function; nothing ran, so nobody has done any DMA yet.
for (const { id: address, model, deviceId, behindIommu } of machine.observe()) {
  console.log(
    `${address} ${model.padEnd(14)} ${(deviceId ?? '').padEnd(4)} ${behindIommu ? 'behind' : 'past'} the IOMMU`,
  )
}
machine.dispose()
