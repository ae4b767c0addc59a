import { ConfigSpace, Msix } from '@dmascope/pci'
import { COMMAND, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'

const config = new ConfigSpace({
  vendorId: 0x1af4,
  deviceId: 0x1042,
  classCode: 0x010000,
  bars: [{ bar: 1, kind: 'memory32', size: 0x1000 }],
})
const msix = new Msix(config, { vectors: 2, tableBar: 1 })

// As software does: write all ones, read back what sticks, then place it and turn decoding on.
const { BAR1, COMMAND: COMMAND_REGISTER } = PCI_HEADER_TYPE0.registers
config.write(BAR1.offset, 4, 0xffff_ffff)
const size = (~(config.read(BAR1.offset, 4) & ~0xf) + 1) >>> 0
config.write(BAR1.offset, 4, 0xfebc_8000)
config.write(COMMAND_REGISTER.offset, 2, COMMAND.fields.MEMORY_SPACE_ENABLE.loMask)

console.log(`BAR 1: 0x${size.toString(16)} bytes at 0x${config.bars[0]?.address?.toString(16)}`)
console.log(`MSI-X: ${msix.vectors} vectors, capability at 0x${msix.offset.toString(16)}, enabled: ${msix.enabled}`)
