import { createMachine } from '@dmascope/machine'
import { readMachineFile } from '@dmascope/machine/file'
import {
  DMA_PROBE_COMMAND_WRITE,
  DMA_PROBE_DOORBELL,
  DMA_PROBE_REGISTERS,
  DMA_PROBE_RESULT,
} from '@dmascope/virtio-devices/spec'

// A probe does the DMA that its registers tell it to. This one is wired past the IOMMU.
const { description } = readMachineFile(`
machine: q35
memory: 64M
devices:
  - { model: intel-iommu, intremap: on }
  - { model: dmascope-probe, id: liar, addr: '02.0', bypass: true }
`)
const { machine } = createMachine(description)
const { bus, witness } = machine

// What firmware does: BAR 0 at 0xfe000000, memory decoding and bus mastering on.
const writeConfig = (offset: number, value: number): void => {
  bus.ports?.out32(0xcf8, 0x8000_1000 | offset)
  bus.ports?.out32(0xcfc, value)
}
writeConfig(0x10, 0xfe00_0000)
writeConfig(0x04, 0x0006)
machine.endFirmwarePhase()

// What a driver does: it gives the probe 16 bytes, and tells it to write 32.
const { ADDRESS_LO, LENGTH, COMMAND, PATTERN, DOORBELL, RESULT } = DMA_PROBE_REGISTERS.registers
const write = (register: { readonly offset: number }, value: number): void =>
  bus.write32(0xfe00_0000 + register.offset, value)
witness.phase('0000:00:02.0', 'self-test')
witness.grant('0000:00:02.0', 0x10_0000, 16, 2, 'a buffer')
write(ADDRESS_LO, 0x10_0000)
write(LENGTH, 32)
write(PATTERN, 0xdada_dada)
write(COMMAND, DMA_PROBE_COMMAND_WRITE)
write(DOORBELL, DMA_PROBE_DOORBELL.fields.START.loMask)
while (!bus.idle()) bus.nextInterrupt()

const result = bus.read32(0xfe00_0000 + RESULT.offset)
console.log(`the device says: ${DMA_PROBE_RESULT.fields.CODE.values?.[result]}`)
const seen = machine.observe().find(({ deviceId }) => deviceId === 'liar')
console.log(`the ledger says: ${seen?.dma['self-test'].untranslated} untranslated, ${seen?.strayCount} stray`)
for (const { kind, length, physical, landed, before, after } of seen?.strays ?? []) {
  console.log(`stray ${kind} of ${length} bytes at ${physical}, in ${landed}:\n  ${before}\n  ${after}`)
}
machine.dispose()
