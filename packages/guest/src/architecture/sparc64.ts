import type { DeviceTree, DtNode } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { PLAIN_DMA } from '../dma/dma-platform.ts'
import { readDeviceTree, wholePages } from '../early/device-tree.ts'
import { type AddressRange, mergeRanges } from '../early/memory-map.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { Sun4uSubsystem } from '../iommu/sun4u/sun4u-subsystem.ts'
import { withMemoryPorts } from '../pci/memory-ports.ts'
import { findSabre, portAddress, type SabreBridge } from '../sparc64/sabre-bridge.ts'
import { SabreConfig } from '../sparc64/sabre-config.ts'
import { SabreInterrupts } from '../sparc64/sabre-interrupts.ts'
import { SabrePins } from '../sparc64/sabre-pins.ts'
import { SabreRegisters } from '../sparc64/sabre-registers.ts'
import { scanSabre } from '../sparc64/scan-sabre.ts'
import {
  ICLR_IDLE,
  SABRE_CONFIGSPACE,
  SABRE_ICLR_A_SLOT0,
  SABRE_ICLR_SCSI,
  SABRE_PCICTRL,
  SABRE_PCICTRL_SETUP,
} from '../spec/sabre.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

const LARGEST_TREE = 0x100_0000
/** Kernel image, page tables and what firmware and kernel have at the bottom of memory. */
const KERNEL_BYTES = 0x200_0000
const AVAILABLE_CELLS = 4
const REACHABLE_HI = 0x20_0000
const PCI_ICLR_BYTES = 0x100
const OBIO_ICLR_BYTES = 0x80

/**
 * A sun4u: an UltraSPARC with Open Firmware.
 *
 * DEVIATION: Linux asks Open Firmware for its tree, node by node, and keeps a copy; here it reads one that stands in memory.
 */
export const startSparc64: EarlyCode = (bus, { deviceTree }, log) => {
  const tree = deviceTree === undefined ? 'there is no Open Firmware' : readDeviceTree(bus, deviceTree, LARGEST_TREE)
  if (typeof tree === 'string') return tree
  if (!tree.root.strings('compatible').includes('sun4u')) return 'the machine is no sun4u, and no other kind is known'
  const bridge = findSabre(tree)
  if (typeof bridge === 'string') return bridge
  log(`PROMLIB: Sun IEEE Boot Prom '${tree.root.string('name') ?? 'unknown'}'`)
  return {
    bus: withMemoryPorts(bus, (port, width) => portAddress(bridge, port, width)),
    commandLine: tree.find('/chosen')?.string('bootargs') ?? '',
    ram: wholePages(availableMemory(tree), [{ start: 0, end: KERNEL_BYTES }]),
    bringUp: (context) => bringUp(context, bus, bridge),
  }
}

/** What Open Firmware has not taken for itself. */
function availableMemory(tree: DeviceTree): AddressRange[] {
  const node = tree.root.children.find((one) => one.string('device_type') === 'memory')
  const cells = node?.cells('available') ?? []
  const ranges: AddressRange[] = []
  for (let at = 0; at + AVAILABLE_CELLS <= cells.length; at += AVAILABLE_CELLS) {
    const [hi, lo, sizeHi, sizeLo] = cells.slice(at, at + AVAILABLE_CELLS) as [number, number, number, number]
    if (hi >= REACHABLE_HI || sizeHi >= REACHABLE_HI) continue
    const start = hi * 0x1_0000_0000 + lo
    const end = start + sizeHi * 0x1_0000_0000 + sizeLo
    if (end > start && Number.isSafeInteger(end)) ranges.push({ start, end })
  }
  return mergeRanges(ranges)
}

/** `sabre_probe`: interrupts cleared, PCI control, then the IOMMU, and only then the buses. */
function bringUp(context: BringUp, plainBus: CpuBus, bridge: SabreBridge): RunningMachine | string {
  const { bus, pages, witness, profile, options, patience, log } = context
  const registers = new SabreRegisters(plainBus, bridge.registers)
  for (let at = 0; at < PCI_ICLR_BYTES; at += 8) registers.write(SABRE_ICLR_A_SLOT0 + at, 0, ICLR_IDLE)
  for (let at = 0; at < OBIO_ICLR_BYTES; at += 8) registers.write(SABRE_ICLR_SCSI + at, 0, ICLR_IDLE)
  registers.write(SABRE_PCICTRL, ...SABRE_PCICTRL_SETUP)
  const iommu = new Sun4uSubsystem({ bus, pages, witness, dma: PLAIN_DMA, profile, options, log }, bridge, registers)
  context.useIommu(iommu)
  const interrupts = new SabreInterrupts(registers)
  const vectors = new Vectors(bus, interrupts, patience, log)
  const config = new SabreConfig(plainBus, bridge.registers + SABRE_CONFIGSPACE)
  const refused = iommu.setUp()
  if (refused !== null) log(refused)
  const scanned = refused === null ? scanSabre(bridge, config, log) : []
  const nodes = new Map(scanned.map(({ fn, node }): [typeof fn, DtNode] => [fn, node]))
  return {
    vectors,
    messages: {
      allocate: () => 'the host bridge takes no messages',
      release: () => {},
    },
    pins: new SabrePins(nodes, interrupts, vectors),
    config,
    iommu,
    dma: PLAIN_DMA,
    functions: scanned.map(({ fn }) => fn),
    nodes,
  }
}
