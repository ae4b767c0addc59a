import type { ConfigSpace } from '@dmascope/pci'
import { MODERN_BAR, MODERN_BAR_SIZE } from './spec/qemu-layout.ts'
import { VIRTIO_PCI_CFG_CAP } from './spec/virtio-pci-cap.ts'

const { bar: BAR, offset: OFFSET, length: LENGTH, pci_cfg_data: DATA } = VIRTIO_PCI_CFG_CAP.fields

export interface WindowTarget {
  read(offset: number, width: 1 | 2 | 4): number
  write(offset: number, width: 1 | 2 | 4, value: number): void
}

/**
 * The PCI configuration access capability (virtio 1.3 §4.1.4.9): firmware that cannot map a BAR reaches the virtio
 * structures through configuration space. An access that names another BAR, a width other than 1, 2 or 4, or an
 * unaligned offset goes nowhere.
 */
export function connectConfigWindow(config: ConfigSpace, capability: number, target: WindowTarget): void {
  const data = capability + DATA.offset
  const aim = (): { offset: number; width: 1 | 2 | 4 } | null => {
    const width = config.peek(capability + LENGTH.offset, 4)
    const offset = config.peek(capability + OFFSET.offset, 4)
    if (config.peek(capability + BAR.offset, 1) !== MODERN_BAR) return null
    if ((width !== 1 && width !== 2 && width !== 4) || offset % width !== 0) return null
    return offset + width <= MODERN_BAR_SIZE ? { offset, width } : null
  }
  config.onRead(data, DATA.size, () => {
    const at = aim()
    if (at !== null) config.poke(data, at.width, target.read(at.offset, at.width))
  })
  config.onWrite(data, DATA.size, () => {
    const at = aim()
    if (at !== null) target.write(at.offset, at.width, config.peek(data, at.width))
  })
}
