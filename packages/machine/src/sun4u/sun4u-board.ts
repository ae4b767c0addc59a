import type { Sun4uUnit } from '@dmascope/iommu/sun4u'
import type { Board, BoardHardware, BoardSite } from '../board/board.ts'
import { StaticFunction } from '../chipset/static-function.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT } from '../firmware/fw-cfg.ts'
import { Sabre } from './sabre.ts'
import { PCI_IO_BASE } from './spec/address-map.ts'

const HOST_CLASS = 0x06_0000

/** The bridge as it shows on its own bus: QEMU's `sabre-pci`. */
const sabreFunction = (): StaticFunction =>
  new StaticFunction({
    vendorId: 0x108e,
    deviceId: 0xa000,
    classCode: HOST_CLASS,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
  })

/** A sun4u machine: an UltraSPARC-IIi, whose PCI host bridge has the IOMMU in it. There are no messages. */
export const sun4uBoard = (unit: () => Sun4uUnit | null): Board => ({
  architecture: 'sparc64',
  rootBusName: 'pci',
  express: false,
  ramRanges: (memoryBytes) => [{ base: 0, size: memoryBytes }],
  functions: [{ device: 0, fn: 0, model: 'sabre-pci', create: sabreFunction }],
  build: (site) => buildSun4u(site, unit),
})

function buildSun4u({ cpuSpace, dmaSpace, root, queue }: BoardSite, unit: () => Sun4uUnit | null): BoardHardware {
  const sabre = new Sabre(root, queue, unit)
  for (const space of [cpuSpace, dmaSpace]) {
    for (const window of sabre.windows) space.addWindow(window)
    for (const region of sabre.regions) space.add(region)
  }
  return {
    bus: new MachineCpuBus(cpuSpace, sabre.interrupts, queue, {}),
    // No address is a message: the range is empty.
    messages: { first: 1, last: 0, send: () => 'untranslated', ring: () => false },
    setPin: (one, asserted) => sabre.setPin(one, asserted),
    raiseMsi() {},
    raiseWire() {},
    setWire() {},
    place(device) {
      for (const space of [cpuSpace, dmaSpace]) {
        const base = PCI_IO_BASE + FW_CFG_PORT_BASE
        space.add({ name: 'fw_cfg', base, size: FW_CFG_PORT_COUNT, kind: 'mmio', handler: device })
      }
    },
    finish() {},
  }
}
