import { PortSpace, romRegion } from '@dmascope/memory'
import type { Board, BoardHardware, BoardSite } from '../board/board.ts'
import { biosRom } from '../chipset/bios-rom.ts'
import { gpexRoot } from '../chipset/gpex-root.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { PciWindow } from '../fabric/pci-window.ts'
import { FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT } from '../firmware/fw-cfg.ts'
import { IntxLines } from '../interrupts/intx-lines.ts'
import { IOAPIC_BASE, IOAPIC_ID, IoApic } from '../interrupts/ioapic.ts'
import { LocalApic } from '../interrupts/lapic.ts'
import { apicMessages, MessageRouter } from '../interrupts/message-router.ts'
import { type AddressBlock, IO_APIC_PINS, MICROVM, ramRanges } from './memory-map.ts'
import type { MicrovmFacts } from './microvm-facts.ts'

/** Images as large as SeaBIOS's and qboot's for this machine. */
const ROM_BYTES = { SeaBIOS: 0x2_0000, qboot: 0x1_0000 } as const

/**
 * QEMU's `microvm`: APICs, transports for virtio, and PCI where it is asked for. What no software here looks at (serial
 * port, clock, the generic event device) is in its tables, and answers nothing.
 */
export const microvmBoard = (facts: MicrovmFacts): Board => ({
  architecture: 'x86_64',
  rootBusName: 'pcie.0',
  express: true,
  ramRanges,
  functions: facts.pcie === null ? [] : [{ device: 0, fn: 0, model: 'gpex-root', create: gpexRoot }],
  build: (site) => buildMicrovm(facts, site),
})

function buildMicrovm(facts: MicrovmFacts, site: BoardSite): BoardHardware {
  const { cpuSpace, dmaSpace, root, queue, expanderOf } = site
  const spaces = [cpuSpace, dmaSpace]
  const apic = new LocalApic((vector) => {
    for (const one of ioApics) one.endOfInterrupt(vector)
  })
  const router = new MessageRouter(apic)
  const bases = [IOAPIC_BASE, MICROVM.secondIoApic.base].slice(0, facts.ioApics)
  const ioApics = bases.map(
    (_, index) =>
      new IoApic(IOAPIC_ID + index, (addressLo, data, level) => router.send(null, 0, addressLo, data, level)),
  )
  const rom = biosRom()
  const romBytes = ROM_BYTES[facts.acpi ? 'SeaBIOS' : 'qboot']
  const image = romRegion('bios', 2 ** 32 - romBytes, rom.subarray(rom.length - romBytes))
  for (const space of spaces) {
    space.add(image)
    for (const [index, base] of bases.entries()) {
      space.add({ name: 'IOAPIC', base, size: IoApic.size, kind: 'mmio', handler: ioApics[index]! })
    }
  }
  cpuSpace.add({ name: 'local APIC', base: LocalApic.base, size: LocalApic.size, kind: 'mmio', handler: apic })
  const setWire = (gsi: number, asserted: boolean): void =>
    ioApics[Math.floor(gsi / IO_APIC_PINS)]?.setPin(gsi % IO_APIC_PINS, asserted)
  const firstGsi = facts.pcie?.firstGsi ?? 0
  const lines = new IntxLines(
    [root],
    { devices: 32, gsi: (device, pin) => firstGsi + ((device + pin) & 3) },
    { setPin: setWire },
    expanderOf,
  )
  if (facts.pcie !== null) placePci(facts.pcie, site)
  const ports = new PortSpace()
  return {
    bus: new MachineCpuBus(cpuSpace, apic, queue, { ports }),
    messages: apicMessages(router),
    setPin: (one, asserted) => lines.set(one, asserted),
    setWire,
    raiseMsi: (_hi, _lo, data) => router.deliver(data, false),
    raiseWire(gsi) {
      setWire(gsi, true)
      setWire(gsi, false)
    },
    place: (device) => ports.add(FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT, device),
    finish() {},
  }
}

/** Configuration space and memory. Ports there are none: BARs of that kind stay without an address. */
function placePci(
  { highWindow }: NonNullable<MicrovmFacts['pcie']>,
  { cpuSpace, dmaSpace, root, queue }: BoardSite,
): void {
  const blocks: readonly AddressBlock[] = [MICROVM.pcieMmio, highWindow]
  const { base, size } = MICROVM.pcieEcam
  for (const space of [cpuSpace, dmaSpace]) {
    space.add({ name: 'ECAM', base, size, kind: 'mmio', handler: root.createEcam() })
    for (const block of blocks) space.addWindow(new PciWindow(root, queue, block))
  }
}
