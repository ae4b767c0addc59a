import { GicV3, Its } from '@dmascope/gic'
import { SYSTEM_REGISTERS } from '@dmascope/gic/spec'
import { AddressSpace, GuestRam } from '@dmascope/memory'

const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
const memory = new AddressSpace(ram)
const gic = new GicV3({ spis: 256, affinities: [0], readByte: (address) => memory.read(address, 1) })
const its = new Its(memory, gic.lpiTables)
const [properties, devices, collections, queue, events] = [0x10_0000, 0x20_0000, 0x30_0000, 0x40_0000, 0x50_0000]

// What a kernel does: all on, then tables and a command queue in memory.
gic.distributor.write(0x000, 4, 0x12) // GICD_CTLR: affinity routing, group 1
gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_PMR_EL1, 0xf0)
gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_IGRPEN1_EL1, 1)
gic.redistributors.write(0x70, 4, properties | 15) // GICR_PROPBASER: IDs of 16 bits
gic.redistributors.write(0x00, 4, 1) // GICR_CTLR.EnableLPIs
for (const [offset, table] of [
  [0x100, devices],
  [0x108, collections],
  [0x080, queue],
] as const) {
  its.write(offset, 4, table)
  its.write(offset + 4, 4, 0x8000_0000)
}
its.write(0x00, 4, 1) // GITS_CTLR.Enabled

// MAPC collection 0, MAPD device 00:02.0, MAPTI its event 1 to LPI 8193.
const commands = [
  [0x09, 0, 0, 0, 0, 0x8000_0000, 0, 0],
  [0x08, 0x10, 1, 0, events, 0x8000_0000, 0, 0],
  [0x0a, 0x10, 1, 8193, 0, 0, 0, 0],
]
commands.flat().forEach((word, index) => {
  memory.write(queue + 4 * index, 4, word)
})
memory.write(properties + 1, 1, 0xa1) // of LPI 8193: priority 0xa0, enabled
its.write(0x88, 4, commands.length * 32)

console.log(`00:02.0 writes event 1: ${its.translate(0x10, 1)}`)
console.log(`the processor takes ${gic.readSystemRegister(SYSTEM_REGISTERS.ICC_IAR1_EL1)}`)
console.log(`00:03.0 writes event 1: ${its.translate(0x18, 1)}`)
ram.dispose()
