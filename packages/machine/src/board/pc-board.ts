import { type AddressSpace, PortSpace } from '@dmascope/memory'
import type { RootComplex } from '@dmascope/pci'
import type { Chipset } from '../chipset/chipset.ts'
import { followPciexbar, placeBiosRom } from '../chipset/chipset.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { PciWindow } from '../fabric/pci-window.ts'
import type { RunQueue } from '../fabric/run-queue.ts'
import { FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT, type FwCfg } from '../firmware/fw-cfg.ts'
import { IntxLines } from '../interrupts/intx-lines.ts'
import { IOAPIC_BASE, IOAPIC_ID, IoApic } from '../interrupts/ioapic.ts'
import { LocalApic } from '../interrupts/lapic.ts'
import { apicMessages, MessageRouter } from '../interrupts/message-router.ts'
import type { SegmentPlace } from '../segments/segment-map.ts'
import type { Board, BoardHardware, BoardSite } from './board.ts'

const FOUR_GIB = 0x1_0000_0000

/**
 * A PC: this chipset, local and I/O APIC, CF8 and CFC.
 *
 * @param segments - host bridges beside the chipset's, each with a segment of its own
 */
export const pcBoard = (chipset: Chipset, segments: readonly SegmentPlace[] = []): Board => ({
  architecture: 'x86_64',
  rootBusName: chipset.rootBusName,
  express: chipset.express,
  segments: [0, ...segments.map(({ segment }) => segment)],
  ramRanges(memoryBytes) {
    const low = chipset.lowRamEnd(memoryBytes)
    const ranges = [{ base: 0, size: low }]
    return memoryBytes > low ? [...ranges, { base: FOUR_GIB, size: memoryBytes - low }] : ranges
  },
  functions: chipset.functions,
  build: (site) => buildPc(chipset, segments, site),
})

function buildPc(
  chipset: Chipset,
  segments: readonly SegmentPlace[],
  { cpuSpace, dmaSpace, root, roots, queue, iommus, expanderOf, processor }: BoardSite,
): BoardHardware {
  const spaces = [cpuSpace, dmaSpace]
  const apic = new LocalApic((vector) => ioapic.endOfInterrupt(vector))
  const router = new MessageRouter(apic)
  const ioapic = new IoApic(IOAPIC_ID, (addressLo, data, level) => {
    const iommu = iommus().find(({ ioApicRequester }) => ioApicRequester !== null) ?? null
    router.send(iommu, iommu?.ioApicRequester ?? 0, addressLo, data, level)
  })
  const lines = new IntxLines(roots, chipset.routing, ioapic, expanderOf)
  const window = new PciWindow(root, queue)
  for (const space of spaces) {
    space.addWindow(window)
    space.add({ name: 'IOAPIC', base: IOAPIC_BASE, size: IoApic.size, kind: 'mmio', handler: ioapic })
  }
  cpuSpace.add({ name: 'local APIC', base: LocalApic.base, size: LocalApic.size, kind: 'mmio', handler: apic })
  const hosts = segments.map((place, index) => addSegment(place, roots[index + 1]!, queue, spaces))
  const ports = new PortSpace()
  ports.add(0xcf8, 8, root.createCf8Ports())
  ports.setFallback((port) => hosts.find((host) => host.passesOn(port))?.window.findPort(port) ?? window.findPort(port))
  return {
    bus: new MachineCpuBus(cpuSpace, apic, queue, { ...processor, ports }),
    messages: apicMessages(router),
    setPin: (one, asserted) => lines.set(one, asserted),
    raiseMsi: (_hi, _lo, data) => router.deliver(data, false),
    raiseWire() {},
    setWire() {},
    place: (device: FwCfg) => ports.add(FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT, device),
    finish() {
      const host = root.rootBus.slotAt(0, 0)?.function
      if (host === undefined) return
      placeBiosRom(chipset, host.config, spaces)
      if (chipset.express) followPciexbar(host.config, root, spaces)
    },
  }
}

/** A host bridge beside the chipset's: configuration space and what it passes on are where its place says. */
function addSegment(
  { ecam, memory, memory64, ports }: SegmentPlace,
  root: RootComplex,
  queue: RunQueue,
  spaces: readonly AddressSpace[],
): { readonly window: PciWindow; passesOn(port: number): boolean } {
  const windows = [memory, memory64].map((place) => new PciWindow(root, queue, place))
  for (const space of spaces) {
    for (const window of windows) space.addWindow(window)
    space.add({ name: 'ECAM', ...ecam, kind: 'mmio', handler: root.createEcam() })
  }
  return {
    window: windows[0]!,
    passesOn: (port) => ports !== null && port >= ports.base && port < ports.base + ports.size,
  }
}
