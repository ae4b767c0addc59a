import { type MmioHandler, PortSpace } from '@dmascope/memory'
import type { Board, BoardHardware, BoardSite } from '../board/board.ts'
import { gpexRoot } from '../chipset/gpex-root.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { PciWindow } from '../fabric/pci-window.ts'
import { IntxLines } from '../interrupts/intx-lines.ts'
import { Coprocessor } from './coprocessor.ts'
import { L2Interrupts } from './l2-interrupts.ts'
import type { Processor } from './processors.ts'
import { type AddressBlock, PCIE, PERIPHERAL_INTERRUPT, PERIPHERAL_LINE } from './spec/address-map.ts'

/** Bytes of one word of the interrupt controller. */
const WORD_BYTES = 8

/**
 * Broadcom's BCM3384, a cable modem's chip, as one of its processors sees it: memory in banks, the peripherals' bus, an
 * interrupt controller. Serial port and USB are in its tree, and answer nothing.
 *
 * DEVIATION: it has a PCI host bridge on that bus, which the chip's published trees have not, so that there is something
 * to plug cards into. No messages: pins are all that it has for interrupts.
 */
export const bcm3384Board = (processor: Processor): Board => ({
  architecture: 'mipsel',
  rootBusName: 'pcie.0',
  express: true,
  ramRanges: (memoryBytes) => bankRanges(processor, memoryBytes),
  functions: [{ device: 0, fn: 0, model: 'gpex-root', create: gpexRoot }],
  build: (site) => buildBcm3384(processor, site),
})

/** Banks, each with its share of memory. */
export const bankRanges = ({ banks }: Pick<Processor, 'banks'>, memoryBytes: number): AddressBlock[] =>
  banks.map(({ base }) => ({ base, size: memoryBytes / banks.length }))

function buildBcm3384(processor: Processor, { cpuSpace, dmaSpace, root, queue, expanderOf }: BoardSite): BoardHardware {
  const add = (name: string, { base, size }: AddressBlock, handler: MmioHandler): void => {
    for (const space of [cpuSpace, dmaSpace]) space.add({ name, base, size, kind: 'mmio', handler })
  }
  const coprocessor = new Coprocessor(processor)
  const { interruptWords } = processor
  const interrupts = new L2Interrupts(interruptWords.length, (asserted) =>
    coprocessor.setInput(PERIPHERAL_LINE, asserted),
  )
  interruptWords.forEach((base, word) => {
    add('BCM3380 L2', { base, size: WORD_BYTES }, interrupts.registers(word))
  })
  const lines = new IntxLines(
    [root],
    { devices: 32, gsi: (device, pin) => PERIPHERAL_INTERRUPT.pcie + ((device + pin) & 3) },
    { setPin: (input, level) => interrupts.setInput(input, level) },
    expanderOf,
  )
  const ports = new PortSpace()
  const whole = new PciWindow(root, queue)
  ports.setFallback((port) => whole.findPort(port))
  add('PCI I/O', PCIE.io, {
    read: (offset, width) => ports.read(offset, width),
    write: (offset, width, value) => ports.write(offset, width, value),
  })
  add('ECAM', PCIE.configuration, root.createEcam())
  for (const space of [cpuSpace, dmaSpace]) space.addWindow(new PciWindow(root, queue, PCIE.memory))
  return {
    bus: new MachineCpuBus(cpuSpace, coprocessor, queue, { systemRegisters: coprocessor }),
    messages: { first: 1, last: 0, send: () => 'untranslated', ring: () => false },
    setPin: (one, asserted) => lines.set(one, asserted),
    raiseMsi() {},
    raiseWire() {},
    setWire: (input, asserted) => interrupts.setInput(input, asserted),
    place() {},
    finish() {},
  }
}
