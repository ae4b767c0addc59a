import { GicV2, GicV2m, GicV3, Its } from '@dmascope/gic'
import { GITS_TRANSLATER_OFFSET, V2M } from '@dmascope/gic/spec'
import { type MmioHandler, PortSpace } from '@dmascope/memory'
import type { Board, BoardHardware, BoardSite, MessageWiring } from '../board/board.ts'
import { gpexRoot } from '../chipset/gpex-root.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { PciWindow } from '../fabric/pci-window.ts'
import { fwCfgRegisters } from '../firmware/fw-cfg-registers.ts'
import { IntxLines } from '../interrupts/intx-lines.ts'
import { type AddressBlock, type HighMemory, RAM_BASE, V2M_SPIS, VIRT, VIRT_SPI, VIRT_SPIS } from './memory-map.ts'
import { affinityOf, type VirtFacts } from './virt-facts.ts'

/** What of a machine its board depends on. */
export type VirtBoardOptions = Pick<VirtFacts, 'qemuVersion' | 'cpus' | 'gic' | 'msi'> & { readonly high: HighMemory }

/** QEMU's `virt`, without what no software here looks at: UART, clock, GPIO and flash are in its tables, and answer nothing. */
export const virtBoard = (options: VirtBoardOptions): Board => ({
  architecture: 'aarch64',
  rootBusName: 'pcie.0',
  express: true,
  ramRanges: (memoryBytes) => [{ base: RAM_BASE, size: memoryBytes }],
  functions: [{ device: 0, fn: 0, model: 'gpex-root', create: gpexRoot }],
  build: (site) => buildVirt(options, site),
})

/** An interrupt controller, as the board wires it. */
interface BuiltGic {
  readonly asserted: boolean
  setSpi(spi: number, level: boolean): void
  pulseSpi(spi: number): void
}

/**
 * The line to the processor. A class, for its getter: in a literal it would make a hidden class of each machine, which
 * keeps the machine until a full garbage collection.
 */
class ProcessorLine {
  readonly #gic: { readonly asserted: boolean }

  constructor(gic: { readonly asserted: boolean }) {
    this.#gic = gic
  }

  get pending(): boolean {
    return this.#gic.asserted
  }

  take(): number {
    return this.#gic.asserted ? 0 : -1
  }
}

function buildVirt(options: VirtBoardOptions, site: BoardSite): BoardHardware {
  const { cpuSpace, dmaSpace, root, queue, expanderOf } = site
  const add = (name: string, { base, size }: AddressBlock, handler: MmioHandler): void => {
    for (const space of [cpuSpace, dmaSpace]) space.add({ name, base, size, kind: 'mmio', handler })
  }
  const gic = options.gic === 2 ? buildGicV2(options, add) : buildGicV3(options, site, add)
  const messages = buildMessages(options, gic, site, add)
  const lines = new IntxLines(
    [root],
    { devices: 32, gsi: (device, pin) => VIRT_SPI.pcie + ((device + pin) & 3) },
    { setPin: (spi, level) => gic.setSpi(spi, level) },
    expanderOf,
  )

  const ports = new PortSpace()
  const whole = new PciWindow(root, queue)
  ports.setFallback((port) => whole.findPort(port))
  add('PCI I/O', VIRT.pciePio, {
    read: (offset, width) => ports.read(offset, width),
    write: (offset, width, value) => ports.write(offset, width, value),
  })
  add('ECAM', options.high.ecam, root.createEcam())
  for (const block of [VIRT.pcieMmio, options.high.mmio]) {
    if (block === null) continue
    const window = new PciWindow(root, queue, block)
    for (const space of [cpuSpace, dmaSpace]) space.addWindow(window)
  }
  return {
    bus: new MachineCpuBus(
      cpuSpace,
      new ProcessorLine(gic),
      queue,
      gic instanceof GicV3
        ? {
            systemRegisters: {
              read: (register) => gic.readSystemRegister(register),
              write: (register, value) => gic.writeSystemRegister(register, value),
            },
          }
        : {},
    ),
    messages,
    setPin: (one, asserted) => lines.set(one, asserted),
    // An IOMMU here tells by wires.
    raiseMsi() {},
    raiseWire: (spi) => gic.pulseSpi(spi),
    setWire: (spi, asserted) => gic.setSpi(spi, asserted),
    place: (device) => add('fw_cfg', VIRT.fwCfg, fwCfgRegisters(device)),
    finish() {},
  }
}

type AddRegisters = (name: string, block: AddressBlock, handler: MmioHandler) => void

function buildGicV2({ cpus }: VirtBoardOptions, add: AddRegisters): BuiltGic {
  const gic = new GicV2({ spis: VIRT_SPIS, cpus: Math.min(cpus, 8) })
  add('GIC distributor', VIRT.gicDistributor, gic.distributor)
  add('GIC CPU interface', VIRT.gicCpu, gic.cpuInterface)
  return gic
}

function buildGicV3({ qemuVersion, cpus, msi }: VirtBoardOptions, { cpuSpace }: BoardSite, add: AddRegisters): GicV3 {
  const gic = new GicV3({
    spis: VIRT_SPIS,
    // Older releases announce 32 fewer than there are.
    itLinesNumber: qemuVersion === '7.2' ? VIRT_SPIS / 32 - 1 : VIRT_SPIS / 32,
    affinities: Array.from({ length: cpus }, (_, index) => affinityOf(index, 3)),
    readByte: msi === 'its' ? (address) => cpuSpace.read(address, 1) : null,
  })
  add('GIC distributor', VIRT.gicDistributor, gic.distributor)
  add('GIC redistributors', { base: VIRT.gicRedistributors.base, size: gic.redistributorsSize }, gic.redistributors)
  return gic
}

/** Doorbells. They are addresses like any other, so that an IOMMU on the way translates them. */
function buildMessages(
  { msi }: VirtBoardOptions,
  gic: BuiltGic,
  { cpuSpace }: BoardSite,
  add: AddRegisters,
): MessageWiring {
  const none: Omit<MessageWiring, 'ring'> = { first: 1, last: 0, send: () => 'untranslated' }
  if (msi === 'its' && gic instanceof GicV3) {
    const its = new Its(cpuSpace, gic.lpiTables)
    add('GIC ITS', VIRT.gicIts, its)
    const doorbell = VIRT.gicIts.base + GITS_TRANSLATER_OFFSET
    return {
      ...none,
      ring(address, data, requester) {
        if (address !== doorbell) return false
        its.translate(requester, data)
        return true
      },
    }
  }
  if (msi === 'none') return { ...none, ring: () => false }
  const frame = new GicV2m(VIRT_SPI.gicV2m, V2M_SPIS, (spi) => gic.pulseSpi(spi))
  add('GICv2m frame', VIRT.gicV2m, frame)
  const doorbell = VIRT.gicV2m.base + V2M.registers.MSI_SETSPI_NS.offset
  return {
    ...none,
    ring(address, data) {
      if (address !== doorbell) return false
      frame.raise(data)
      return true
    },
  }
}
