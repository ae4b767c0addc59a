import { AddressSpace, GuestRam, type MmioHandler } from '@dmascope/memory'

// A device of two registers: a count, and one that adds to it.
let total = 0
const counter: MmioHandler = {
  read: (offset) => (offset === 0 ? total : 0),
  write(offset, _width, value) {
    if (offset === 4) total = (total + value) >>> 0
  },
}

// 8 GiB, as on a PC: RAM below the hole, and the rest from 4 GiB on. Nothing is backed before it is written.
const GIB = 2 ** 30
const ram = new GuestRam([
  { base: 0, size: 2 * GIB },
  { base: 4 * GIB, size: 6 * GIB },
])
const space = new AddressSpace(ram)
const remove = space.add({ name: 'counter', base: 0xfeb0_0000, size: 0x1000, kind: 'mmio', handler: counter })

space.write(9 * GIB, 4, 0x1234_5678)
space.write(0xfeb0_0004, 4, 40)
space.write(0xfeb0_0004, 4, 2)
console.log(
  `RAM at 9 GiB: 0x${space.read(9 * GIB, 4).toString(16)}, at 9 GiB + 2: 0x${space.read(9 * GIB + 2, 2).toString(16)}`,
)
console.log(`counter: ${space.read(0xfeb0_0000, 4)}, in ${space.find(0xfeb0_0000)?.name}`)
console.log(`hole: 0x${space.read(0xd000_0000, 4).toString(16)}, is RAM: ${space.isRam(0xd000_0000, 4)}`)
remove()
console.log(`counter, unplugged: 0x${space.read(0xfeb0_0000, 4).toString(16)}`)
console.log(`declared: ${ram.size / GIB} GiB, its store no larger than it must be: ${ram.bytes.length < GIB}`)
ram.dispose()
