import type { CpuBus } from '@dmascope/memory/contracts'
import { COMMAND, IO_BAR, MEMORY_BAR, PCI_CAP_ID_VENDOR, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import {
  VIRTIO_PCI_CAP,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_COMMON_CFG,
  VIRTIO_PCI_LEGACY,
  VIRTIO_PCI_LEGACY_PAGE_SIZE,
  VIRTIO_PCI_NOTIFY_CAP,
} from '@dmascope/virtio-pci/spec'
import type { PciConfig } from '../pci/config-access.ts'

/** What firmware needs of a virtio function, over either interface. */
export interface VirtioTransport {
  readonly kind: 'modern' | 'legacy'
  status(): number
  setStatus(value: number): void
  /** Offered feature bits. */
  features(): { lo: number; hi: number }
  setFeatures(lo: number, hi: number): void
  /** Entries of a queue; 0 where there is no such queue. */
  queueSize(queue: number): number
  /** Tells the device of a ring: guest-physical addresses below 2^32. False where it cannot lie so. */
  setQueue(queue: number, size: number, ring: { desc: number; driver: number; device: number }): boolean
  notify(queue: number): void
  /** Reads and so clears the interrupt status. */
  isr(): number
}

const { COMMAND: COMMAND_REGISTER, BAR0 } = PCI_HEADER_TYPE0.registers
const C = VIRTIO_PCI_COMMON_CFG.registers
const L = VIRTIO_PCI_LEGACY.registers

interface Structure {
  readonly address: number
  readonly offset: number
}

/** Where one of the structures lies in memory; null where no capability names it, or it is not in memory below 2^53. */
function findStructure(config: PciConfig, id: number, type: number): Structure | null {
  const F = VIRTIO_PCI_CAP.fields
  for (const offset of config.capabilities(id, PCI_CAP_ID_VENDOR)) {
    if (config.read8(id, offset + F.cfg_type.offset) !== type) continue
    const bar = config.read8(id, offset + F.bar.offset)
    if (bar > 5) continue
    const lo = config.read32(id, BAR0.offset + 4 * bar)
    if (MEMORY_BAR.fields.IO.get(lo) !== 0) continue
    const hi = MEMORY_BAR.fields.TYPE.get(lo) === 2 && bar < 5 ? config.read32(id, BAR0.offset + 4 * bar + 4) : 0
    const base = MEMORY_BAR.fields.BASE.get(lo) + hi * 0x1_0000_0000
    if (base === 0 || hi >= 0x20_0000) continue
    return { address: base + config.read32(id, offset + F.offset.offset), offset }
  }
  return null
}

/** The modern interface where its capabilities are there and their BARs are placed, else the legacy one, else null. */
export function openVirtio(bus: CpuBus, config: PciConfig, id: number): VirtioTransport | null {
  config.set16(id, COMMAND_REGISTER.offset, COMMAND.fields.BUS_MASTER_ENABLE.loMask)
  const common = findStructure(config, id, VIRTIO_PCI_CAP_COMMON_CFG)
  const notify = findStructure(config, id, VIRTIO_PCI_CAP_NOTIFY_CFG)
  const isr = findStructure(config, id, VIRTIO_PCI_CAP_ISR_CFG)
  if (common !== null && notify !== null && isr !== null) {
    const multiplier = config.read32(id, notify.offset + VIRTIO_PCI_NOTIFY_CAP.fields.notify_off_multiplier.offset)
    return modern(bus, common.address, notify.address, multiplier, isr.address)
  }
  const bar = config.read32(id, BAR0.offset)
  const port = IO_BAR.fields.BASE.get(bar)
  return IO_BAR.fields.IO.get(bar) === 0 || port === 0 || bus.ports === undefined ? null : legacy(bus.ports, port)
}

function modern(bus: CpuBus, common: number, notify: number, multiplier: number, isr: number): VirtioTransport {
  const write64 = (address: number, value: number): void => {
    bus.write32(address, value >>> 0)
    bus.write32(address + 4, 0)
  }
  return {
    kind: 'modern',
    status: () => bus.read8(common + C.device_status.offset),
    setStatus: (value) => bus.write8(common + C.device_status.offset, value),
    features() {
      bus.write32(common + C.device_feature_select.offset, 0)
      const lo = bus.read32(common + C.device_feature.offset)
      bus.write32(common + C.device_feature_select.offset, 1)
      return { lo, hi: bus.read32(common + C.device_feature.offset) }
    },
    setFeatures(lo, hi) {
      bus.write32(common + C.driver_feature_select.offset, 0)
      bus.write32(common + C.driver_feature.offset, lo)
      bus.write32(common + C.driver_feature_select.offset, 1)
      bus.write32(common + C.driver_feature.offset, hi)
    },
    queueSize(queue) {
      bus.write16(common + C.queue_select.offset, queue)
      return bus.read16(common + C.queue_size.offset)
    },
    setQueue(queue, size, ring) {
      bus.write16(common + C.queue_select.offset, queue)
      bus.write16(common + C.queue_size.offset, size)
      write64(common + C.queue_desc.offset, ring.desc)
      write64(common + C.queue_driver.offset, ring.driver)
      write64(common + C.queue_device.offset, ring.device)
      bus.write16(common + C.queue_enable.offset, 1)
      return true
    },
    notify(queue) {
      bus.write16(common + C.queue_select.offset, queue)
      const offset = bus.read16(common + C.queue_notify_off.offset)
      bus.write16(notify + offset * multiplier, queue)
    },
    isr: () => bus.read8(isr),
  }
}

function legacy(ports: NonNullable<CpuBus['ports']>, port: number): VirtioTransport {
  return {
    kind: 'legacy',
    status: () => ports.in8(port + L.device_status.offset),
    setStatus: (value) => ports.out8(port + L.device_status.offset, value),
    features: () => ({ lo: ports.in32(port + L.device_features.offset), hi: 0 }),
    setFeatures: (lo) => ports.out32(port + L.driver_features.offset, lo),
    queueSize(queue) {
      ports.out16(port + L.queue_select.offset, queue)
      return ports.in16(port + L.queue_size.offset)
    },
    setQueue(queue, size, { desc }) {
      ports.out16(port + L.queue_select.offset, queue)
      if (ports.in16(port + L.queue_size.offset) !== size) return false
      ports.out32(port + L.queue_address.offset, desc / VIRTIO_PCI_LEGACY_PAGE_SIZE)
      return true
    },
    notify: (queue) => ports.out16(port + L.queue_notify.offset, queue),
    isr: () => ports.in8(port + L.isr_status.offset),
  }
}
