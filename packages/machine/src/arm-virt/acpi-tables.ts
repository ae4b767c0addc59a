import {
  aml,
  buildDefinitionBlock,
  buildMadt,
  buildMcfg,
  fixedMemory,
  hostBridge,
  interruptLink,
  interrupts,
  type MadtRecord,
  type PciRouteDescription,
  resourceTemplate,
  toHex,
} from '@dmascope/acpi'
import { FIRST_SPI } from '@dmascope/gic/spec'
import type { PciBus } from '@dmascope/pci'
import { type WindowRange, windowsOf, without } from '../firmware/bus-windows.ts'
import { qemuHeader } from '../firmware/qemu-header.ts'
import { reducedFadt } from '../firmware/reduced-fadt.ts'
import { type AddressBlock, V2M_SPIS, VIRT, VIRT_INTID, VIRT_SPI, VIRTIO_TRANSPORTS } from './memory-map.ts'
import { affinityOf, type VirtFacts } from './virt-facts.ts'

const ECAM_BUS_SIZE = 0x10_0000
/** PSCI_COMPLIANT, and PSCI_USE_HVC where the hypervisor answers. */
const PSCI = { hvc: 3, smc: 1 } as const
/** `QEMU`, as the newer of its tables tell a guest who emulates it. */
const HYPERVISOR = '51454d5500000000'

export const virtFadt = ({ qemuVersion, virtualization }: VirtFacts): Uint8Array =>
  reducedFadt(6, 0, {
    ARM_BOOT_ARCH: virtualization ? PSCI.smc : PSCI.hvc,
    FADT_Minor_Version: qemuVersion === '7.2' ? 0 : 3,
    Hypervisor_Vendor_Identity: HYPERVISOR,
  })

/** The GIC's parts, and what takes messages. */
export function virtMadt({ cpus, gic, msi, announcesIts, virtualization }: VirtFacts): Uint8Array {
  const records: MadtRecord[] = [
    {
      kind: 'gicd',
      gicId: 0,
      physicalBaseAddress: VIRT.gicDistributor.base,
      systemVectorBase: 0,
      gicVersion: gic,
    },
    ...Array.from({ length: cpus }, (_, index) => ({
      kind: 'gicc' as const,
      cpuInterfaceNumber: index,
      acpiProcessorUid: index,
      flags: 1,
      parkingProtocolVersion: 0,
      performanceInterruptGsiv: VIRT_INTID.performanceMonitor,
      parkedAddress: 0,
      physicalBaseAddress: gic === 2 ? VIRT.gicCpu.base : 0,
      gicv: gic === 2 ? VIRT.gicVirtualCpu.base : 0,
      gich: gic === 2 ? VIRT.gicHypervisor.base : 0,
      vgicMaintenanceInterrupt: virtualization ? VIRT_INTID.maintenance : 0,
      gicrBaseAddress: 0,
      mpidr: affinityOf(index, gic),
      processorPowerEfficiencyClass: 0,
      reserved_77: 0,
      speOverflowInterrupt: 0,
    })),
  ]
  if (gic === 3) {
    const { base, size } = VIRT.gicRedistributors
    records.push({ kind: 'gicr', discoveryRangeBaseAddress: base, discoveryRangeLength: size })
  }
  if (announcesIts)
    records.push({ kind: 'gic-its', gicItsId: 0, physicalBaseAddress: VIRT.gicIts.base, reserved_16: 0 })
  // Of a frame beside a GICv3 only the tree tells.
  if (msi === 'gicv2m' && gic === 2) {
    const spiBase = FIRST_SPI + VIRT_SPI.gicV2m
    records.push({
      kind: 'gic-msi-frame',
      gicMsiFrameId: 0,
      physicalBaseAddress: VIRT.gicV2m.base,
      flags: 1,
      spiCount: V2M_SPIS,
      spiBase,
    })
  }
  return buildMadt({
    signature: 'APIC',
    header: qemuHeader(4),
    localInterruptControllerAddress: 0,
    flags: 0,
    records,
  })
}

/** Configuration space of the one segment. */
export const virtMcfg = ({ high: { ecam } }: VirtFacts): Uint8Array =>
  buildMcfg({
    signature: 'MCFG',
    header: qemuHeader(1),
    reserved: '0000000000000000',
    allocations: [
      {
        baseAddress: ecam.base,
        pciSegmentGroupNumber: 0,
        startBusNumber: 0,
        endBusNumber: ecam.size / ECAM_BUS_SIZE - 1,
        reserved: 0,
      },
    ],
  })

const PINS = [0, 1, 2, 3] as const
const linkName = (index: number): string => `GSI${index}`
const rangeOf = ({ base, size }: AddressBlock): WindowRange => ({ first: base, last: base + size - 1 })

/** QEMU's `acpi_dsdt_add_pci_route_table`: pins are swizzled by slot. */
const ROUTING: readonly PciRouteDescription[] = Array.from({ length: 32 }, (_, device) =>
  PINS.map((pin): PciRouteDescription => ({ device, pin, link: linkName((device + pin) % PINS.length) })),
).flat()

/**
 * The namespace: virtio transports, a host bridge for each root bus, expanders first, and the four interrupts of the pins.
 *
 * DEVIATION: QEMU's has more devices (processors, UART, flash, the generic event device), none with a bearing on DMA.
 *
 * @param expanders - in the order in which they are named; live, their windows are read now
 */
export function virtDsdt({ high }: VirtFacts, expanders: readonly PciBus[]): Uint8Array {
  const others = expanders.map((bus) => ({ bus, windows: windowsOf(bus) }))
  const taken = others.flatMap(({ windows }) => windows.memory)
  const takenPorts = others.flatMap(({ windows }) => windows.ports)
  const blocks = [VIRT.pcieMmio, ...(high.mmio === null ? [] : [high.mmio])]
  const busLimit = high.ecam.size / ECAM_BUS_SIZE
  const bridges = others.map(({ bus, windows }) =>
    hostBridge({
      name: `PC${bus.number.toString(16).toUpperCase().padStart(2, '0')}`,
      uid: bus.number,
      segment: 0,
      bus: bus.number,
      lastBus: windows.lastBus,
      express: true,
      ports: windows.ports.map(inPortWindow),
      memory: windows.memory,
      routing: ROUTING,
    }),
  )
  const first = hostBridge({
    name: 'PCI0',
    uid: 0,
    segment: 0,
    bus: 0,
    lastBus: Math.min(busLimit, ...expanders.map(({ number }) => number)) - 1,
    express: true,
    ports: without({ first: 0, last: VIRT.pciePio.size - 1 }, takenPorts).map(inPortWindow),
    memory: blocks.flatMap((block) => without(rangeOf(block), taken)),
    routing: ROUTING,
  })
  const links = PINS.map((pin) => interruptLink(linkName(pin), pin, FIRST_SPI + VIRT_SPI.pcie + pin))
  return buildDefinitionBlock({
    signature: 'DSDT',
    header: qemuHeader(2),
    aml: toHex(aml.scope('\\_SB', ...virtioTransports(), ...links, ...bridges, first)),
  })
}

/** Each transport is told of alike, whether there is a device in it or not. */
const virtioTransports = (): aml.Aml[] =>
  Array.from({ length: VIRTIO_TRANSPORTS }, (_, index) => {
    const { base, size } = VIRT.virtioMmio
    const memory = fixedMemory(base + index * size, size)
    const interrupt = interrupts([FIRST_SPI + VIRT_SPI.virtioMmio + index], { exclusive: true })
    return aml.device(
      `VR${String(index).padStart(2, '0')}`,
      aml.name('_HID', aml.text('LNRO0005')),
      aml.name('_UID', aml.integer(index)),
      aml.name('_CCA', aml.integer(1)),
      aml.name('_CRS', resourceTemplate(memory, interrupt)),
    )
  })

const inPortWindow = (range: WindowRange): WindowRange & { translation: number } => ({
  ...range,
  translation: VIRT.pciePio.base,
})
