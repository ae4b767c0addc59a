import type { Architecture, Board, BoardHardware, BoardSite } from '../board/board.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { IntxLines } from '../interrupts/intx-lines.ts'
import { OpenPic } from '../openpic/open-pic.ts'
import { MPIC_MESSAGES } from '../openpic/spec/open-pic.ts'
import type { E500HostBridge } from './host-bridge.ts'
import {
  ANNOUNCED_SOURCES,
  CCSR,
  CCSR_MPIC,
  FIRST_INTERNAL_SOURCE,
  MSI_SOURCE,
  PCI_PIN_SOURCE,
  SOURCES,
} from './spec/address-map.ts'

const DOORBELL = CCSR.base + CCSR_MPIC.offset + MPIC_MESSAGES.registers.MSIIR.offset

/** QEMU's ppce500: an MPC8544's PCI host bridge and interrupt controller, without what no software here looks at. */
export const e500Board = (architecture: Architecture, bridge: E500HostBridge): Board => ({
  architecture,
  rootBusName: 'pci.0',
  express: false,
  ramRanges: (memoryBytes) => [{ base: 0, size: memoryBytes }],
  functions: [{ device: 0, fn: 0, model: 'e500-host-bridge', create: () => bridge.function }],
  build: (site) => buildE500(bridge, site),
})

function buildE500(bridge: E500HostBridge, site: BoardSite): BoardHardware {
  const { cpuSpace, dmaSpace, root, queue } = site
  const pic = new OpenPic({
    sources: SOURCES,
    announced: ANNOUNCED_SOURCES,
    firstInternal: FIRST_INTERNAL_SOURCE,
    bigEndian: true,
    firstMessage: MSI_SOURCE,
    vectorBits: 16,
  })
  const spaces = [cpuSpace, dmaSpace]
  const place = { base: CCSR.base + CCSR_MPIC.offset, size: CCSR_MPIC.size }
  for (const space of spaces) space.add({ name: 'MPIC', ...place, kind: 'mmio', handler: pic })
  bridge.connect(root, queue, spaces, dmaSpace)
  const lines = new IntxLines(
    [root],
    { devices: 32, gsi: (device, pin) => PCI_PIN_SOURCE + ((device + pin) & 3) },
    { setPin: (at, asserted) => pic.set(at, asserted) },
  )
  return {
    bus: new MachineCpuBus(cpuSpace, pic, queue, {}),
    messages: {
      first: 1,
      last: 0,
      send: () => 'untranslated',
      ring(address, data) {
        if (address !== DOORBELL) return false
        pic.message(data)
        return true
      },
    },
    setPin: (one, asserted) => lines.set(one, asserted),
    raiseMsi() {},
    raiseWire() {},
    setWire() {},
    place() {},
    finish() {},
  }
}
