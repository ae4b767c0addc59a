import type { MmioHandler } from '@dmascope/memory'
import type { Board, BoardHardware, BoardSite } from '../board/board.ts'
import { StaticFunction } from '../chipset/static-function.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { PciWindow } from '../fabric/pci-window.ts'
import { IntxLines } from '../interrupts/intx-lines.ts'
import { OpenPic } from '../openpic/open-pic.ts'
import { bridgeWindow, portRegion } from '../pseries/host-bridge.ts'
import type { MacIo } from './mac-io.ts'
import {
  MAC_IO_SLOT,
  PCI_MEMORY,
  PCI_PORTS,
  PIN_SOURCES,
  SOURCES,
  U3_CONFIG_ADDRESS,
  U3_CONFIG_DATA,
  U3_SLOT,
} from './spec/address-map.ts'
import { u3Config } from './u3-config.ts'

const u3Function = (): StaticFunction =>
  new StaticFunction({
    vendorId: 0x106b,
    deviceId: 0x004b,
    classCode: 0x06_0000,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
  })

/** QEMU’s mac99 with a 970: U3’s host bridge, and KeyLargo’s interrupt controller. */
export const mac99Board = (macIo: MacIo): Board => ({
  architecture: 'ppc64',
  rootBusName: 'pci.0',
  express: false,
  ramRanges: (memoryBytes) => [{ base: 0, size: memoryBytes }],
  functions: [
    { device: U3_SLOT, fn: 0, model: 'u3-agp', create: u3Function },
    { device: MAC_IO_SLOT, fn: 0, model: 'macio-newworld', create: () => macIo },
  ],
  build: (site) => buildMac99(macIo, site),
})

function buildMac99(macIo: MacIo, { cpuSpace, dmaSpace, root, queue }: BoardSite): BoardHardware {
  const pic = new OpenPic({
    sources: SOURCES,
    announced: SOURCES,
    firstInternal: SOURCES,
    bigEndian: false,
    firstMessage: null,
    vectorBits: 8,
  })
  macIo.pic = pic
  const config = u3Config(root)
  const pci = new PciWindow(root, queue)
  const add = (name: string, place: { base: number; size: number }, handler: MmioHandler): void => {
    for (const space of [cpuSpace, dmaSpace]) space.add({ name, ...place, kind: 'mmio', handler })
  }
  add('U3 configuration address', U3_CONFIG_ADDRESS, config.address)
  add('U3 configuration data', U3_CONFIG_DATA, config.data)
  for (const space of [cpuSpace, dmaSpace]) {
    space.addWindow(bridgeWindow('PCI I/O', { ...PCI_PORTS, bus: 0 }, (port) => portRegion(pci, port)))
    space.addWindow(new PciWindow(root, queue, PCI_MEMORY))
  }
  const lines = new IntxLines(
    [root],
    { devices: 32, gsi: (device, pin) => PIN_SOURCES[(device + pin) & 3]! },
    { setPin: (at, asserted) => pic.set(at, asserted) },
  )
  return {
    bus: new MachineCpuBus(cpuSpace, pic, queue, {}),
    messages: { first: 1, last: 0, send: () => 'untranslated', ring: () => false },
    setPin: (one, asserted) => lines.set(one, asserted),
    raiseMsi() {},
    raiseWire() {},
    setWire() {},
    place() {},
    finish() {},
  }
}
