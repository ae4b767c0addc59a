import type { MmioHandler } from '@dmascope/memory'
import type { RootComplex } from '@dmascope/pci'

/**
 * Configuration space behind Apple’s host bridges, by an address and its data, both little-endian: for the first bus the
 * address has a bit for the slot, for others bit 0 and the numbers as everywhere; the data’s address has the low bits of
 * the register (QEMU’s `unin_get_config_reg`).
 */
export function u3Config(root: RootComplex): { readonly address: MmioHandler; readonly data: MmioHandler } {
  let address = 0
  const registerOf = (offset: number): { bus: number; device: number; fn: number; at: number } => {
    const fn = (address >>> 8) & 7
    const at = (address & 0xf8) | (offset & 7)
    if ((address & 1) === 1) return { bus: (address >>> 16) & 0xff, device: (address >>> 11) & 0x1f, fn, at }
    const slots = (address & 0xffff_f800) >>> 0
    return { bus: 0, device: slots === 0 ? -1 : 31 - Math.clz32(slots & -slots), fn, at }
  }
  return {
    address: {
      read: (_offset, width) => (width === 4 ? address : 0),
      write: (_offset, width, value) => {
        if (width === 4) address = value >>> 0
      },
    },
    data: {
      read(offset, width) {
        const { bus, device, fn, at } = registerOf(offset)
        return device < 0 ? 0xffff_ffff >>> (32 - width * 8) : root.configRead(bus, device, fn, at, width)
      },
      write(offset, width, value) {
        const { bus, device, fn, at } = registerOf(offset)
        if (device >= 0) root.configWrite(bus, device, fn, at, width, value)
      },
    },
  }
}
