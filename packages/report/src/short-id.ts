/**
 * A function's address, or an IOMMU's name, for a reader: without the segment where that is 0, and without the zeros in
 * front of an address: `00:03.0`, `smmu3.0x9050000`. Of a virtio device on no bus, where its registers are: `a003e00`.
 */
export const shortId = (id: string): string =>
  id
    .replace(/^0000:/, '')
    .replace(/0x0+(?=[0-9a-f])/, '0x')
    .replace(/\.virtio_mmio$/, '')
