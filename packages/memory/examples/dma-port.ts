import { AddressSpace, DMA_DECODE_ERROR, DMA_OK, type DmaPort, GuestRam } from '@dmascope/memory'

/** The simplest port that keeps the contract: no IOMMU, no views, all of memory. */
function directPort(space: AddressSpace): DmaPort {
  const address = (hi: number, lo: number): number => hi * 0x1_0000_0000 + lo
  return {
    read(hi, lo, into) {
      space.readBytes(address(hi, lo), into)
      return space.isRam(address(hi, lo), into.length) ? DMA_OK : DMA_DECODE_ERROR
    },
    write(hi, lo, from) {
      space.writeBytes(address(hi, lo), from)
      return space.isRam(address(hi, lo), from.length) ? DMA_OK : DMA_DECODE_ERROR
    },
    view: () => null,
    isCurrent: () => false,
    account() {},
  }
}

const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
const space = new AddressSpace(ram)
const dma = directPort(space)

// A device greets, and reads it back.
console.log(dma.write(0, 0x2000, new TextEncoder().encode('hello')))
const read = new Uint8Array(5)
console.log(dma.read(0, 0x2000, read), new TextDecoder().decode(read))
// Beyond RAM nothing answers: a result, and no exception.
console.log(dma.read(1, 0, read), read.join(' '))
ram.dispose()
