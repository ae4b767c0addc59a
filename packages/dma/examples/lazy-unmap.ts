import { IommuDma, type IommuDomain, IovaSpace, type PageAllocator } from '@dmascope/dma'

// An IOMMU driver in small: page tables are a map, and `flush` is where the hardware would be told.
const table = new Map<number, number>()
const domain: IommuDomain = {
  type: 'dma-fq',
  apertureEnd: 2 ** 39,
  map: (iova, physical) => table.size < 1000 && table.set(iova, physical) !== undefined,
  unmap: (iova) => void table.delete(iova),
  flush: () => console.log('invalidate the domain'),
}
const pages: PageAllocator = { allocate: () => 0x20_0000, free: () => {} }

const space = new IovaSpace({ domain, reserved: [{ start: 0xfee0_0000, end: 0xfef0_0000 }] })
const dma = new IommuDma({ owner: '0000:00:03.0', maskBits: 64, space, pages })
const show = (what: string, mapping: { lo: number } | null): void =>
  console.log(`${what}: bus address 0x${mapping?.lo.toString(16)}`)

const first = dma.map(0x12_3456, 100, 'to-device', 'request')
show('first buffer', first)
if (first) dma.unmap(first)
show('second, before the flush', dma.map(0x12_3456, 100, 'to-device', 'request'))
space.flush()
show('third, after it', dma.map(0x12_3456, 100, 'to-device', 'request'))
console.log(`still mapped: ${dma.leaks().length}`)
