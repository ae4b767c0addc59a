import type { PciFunction } from '@dmascope/pci'

/** QEMU’s pci-bridge. */
export const bridgeIds = { vendorId: 0x1b36, deviceId: 0x0001, classCode: 0x060400 } as const

/** Bus numbers and windows, as firmware programs them; windows in MiB and 4 KiB. */
export function programBridge(
  bridge: PciFunction,
  at: {
    secondary: number
    subordinate: number
    memory?: [number, number]
    prefetchable?: [number, number]
    io?: [number, number]
  },
): void {
  const { config } = bridge
  config.write(0x19, 1, at.secondary)
  config.write(0x1a, 1, at.subordinate)
  const [memory, memoryLimit] = at.memory ?? [0xfff0_0000, 0]
  config.write(0x20, 2, memory >>> 16)
  config.write(0x22, 2, memoryLimit >>> 16)
  const [prefetchable, prefetchableLimit] = at.prefetchable ?? [0xfff0_0000, 0]
  config.write(0x24, 2, Math.floor(prefetchable / 0x1_0000) & 0xffff)
  config.write(0x26, 2, Math.floor(prefetchableLimit / 0x1_0000) & 0xffff)
  config.write(0x28, 4, Math.floor(prefetchable / 2 ** 32))
  config.write(0x2c, 4, Math.floor(prefetchableLimit / 2 ** 32))
  const [io, ioLimit] = at.io ?? [0xf000, 0]
  config.write(0x1c, 1, io >>> 8)
  config.write(0x1d, 1, ioLimit >>> 8)
  config.write(0x04, 2, 0x0007)
}
