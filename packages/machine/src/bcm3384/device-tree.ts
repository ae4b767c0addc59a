import { DeviceTree, DtNode, type PropertyInput, property } from '@dmascope/devicetree'
import type { InboundWindow } from '../inbound/inbound-windows.ts'
import type { Processor } from './processors.ts'
import { type AddressBlock, BCM3384, PCIE, PERIPHERAL_INTERRUPT, PERIPHERAL_LINE, VIRTIO } from './spec/address-map.ts'

/** What the tree of a machine tells. */
export interface Bcm3384Facts {
  readonly processor: Processor
  readonly memory: readonly AddressBlock[]
  /** How the UBUS sees memory; the tree says nothing of it where null. */
  readonly windows: readonly InboundWindow[] | null
  readonly commandLine: string
}

const PROCESSOR_INPUTS = 1
const PERIPHERAL_INPUTS = 2
const CLOCK = 3

/** First cell of a range: which of PCI's address spaces (IEEE 1275 PCI binding). */
const IO_SPACE = 0x0100_0000
const MEMORY_SPACE = 0x0200_0000
const ECAM_BUS = 0x10_0000
const MAPPED_SLOTS = 4
const PINS = 4

const node = (name: string, properties: Readonly<Record<string, PropertyInput>>, children: DtNode[] = []): DtNode =>
  new DtNode(
    name,
    Object.entries(properties).map(([key, value]) => property(key, value)),
    children,
  )

const at = (name: string, base: number): string => `${name}@${base.toString(16)}`
const reg = (...blocks: readonly AddressBlock[]): number[] => blocks.flatMap(({ base, size }) => [base, size])

/**
 * The device tree by which Linux knows the chip: its bcm3384_zephyr.dtsi, or bcm3384_viper.dtsi, with one processor, the
 * memory that there is, and our host bridge on the UBUS.
 */
export function bcm3384Tree(facts: Bcm3384Facts): DeviceTree {
  const { processor, memory, commandLine } = facts
  const board = processor.chip[0]!.replace('brcm,bcm3384', 'brcm,bcm93384wvg')
  return new DeviceTree(
    node(
      '',
      {
        '#address-cells': 1,
        '#size-cells': 1,
        compatible: [board, ...processor.chip],
        model: 'Broadcom BCM93384WVG',
      },
      [
        node(at('memory', memory[0]?.base ?? 0), { device_type: 'memory', reg: reg(...memory) }),
        node('cpus', { '#address-cells': 1, '#size-cells': 0, 'mips-hpt-frequency': processor.timerFrequency }, [
          node('cpu@0', { compatible: `brcm,${processor.name}`, device_type: 'cpu', reg: 0 }),
        ]),
        node('cpu_intc', {
          '#address-cells': 0,
          compatible: 'mti,cpu-interrupt-controller',
          'interrupt-controller': true,
          '#interrupt-cells': 1,
          phandle: PROCESSOR_INPUTS,
        }),
        node('clocks', {}, [
          node('periph_clk', {
            compatible: 'fixed-clock',
            '#clock-cells': 0,
            'clock-frequency': 54_000_000,
            phandle: CLOCK,
          }),
        ]),
        node('aliases', { uart0: `/ubus/${at('serial', BCM3384.uart0.base)}` }),
        ubus(facts),
        node('chosen', {
          ...(commandLine !== '' && { bootargs: commandLine }),
          'stdout-path': `/ubus/${at('serial', BCM3384.uart0.base)}`,
        }),
      ],
    ),
  )
}

function ubus({ processor, windows }: Bcm3384Facts): DtNode {
  const usb = (kind: 'ehci' | 'ohci', { base, size }: AddressBlock, input: number): DtNode =>
    node(at('usb', base), {
      compatible: [`brcm,bcm3384-${kind}`, `generic-${kind}`],
      reg: [base, size],
      'big-endian': true,
      ...(kind === 'ohci' && { 'no-big-frame-no': true }),
      'interrupt-parent': PERIPHERAL_INPUTS,
      interrupts: input,
    })
  const { uart0, ehci0, ohci0 } = BCM3384
  return node(
    'ubus',
    {
      '#address-cells': 1,
      '#size-cells': 1,
      compatible: ['brcm,ubus', 'simple-bus'],
      ranges: true,
      ...(windows !== null && { 'dma-ranges': windows.flatMap(({ bus, memory, size }) => [bus, memory, size]) }),
    },
    [
      node(at('periph_intc', processor.interruptWords[0]!), {
        compatible: 'brcm,bcm3380-l2-intc',
        // Each register by itself.
        reg: processor.interruptWords.flatMap((base) => [base, 4, base + 4, 4]),
        'interrupt-controller': true,
        '#interrupt-cells': 1,
        '#address-cells': 0,
        'interrupt-parent': PROCESSOR_INPUTS,
        interrupts: PERIPHERAL_LINE,
        phandle: PERIPHERAL_INPUTS,
      }),
      node(at('serial', uart0.base), {
        compatible: 'brcm,bcm6345-uart',
        reg: reg(uart0),
        'interrupt-parent': PERIPHERAL_INPUTS,
        interrupts: PERIPHERAL_INTERRUPT.uart0,
        clocks: CLOCK,
        status: 'okay',
      }),
      usb('ehci', ehci0, PERIPHERAL_INTERRUPT.ehci0),
      usb('ohci', ohci0, PERIPHERAL_INTERRUPT.ohci0),
      hostBridge(),
      ...Array.from({ length: VIRTIO.count }, (_, index) => transport(index)),
    ],
  )
}

function transport(index: number): DtNode {
  const base = VIRTIO.base + index * VIRTIO.size
  return node(at('virtio_mmio', base), {
    compatible: 'virtio,mmio',
    reg: [base, VIRTIO.size],
    'interrupt-parent': PERIPHERAL_INPUTS,
    interrupts: PERIPHERAL_INTERRUPT.virtio + index,
  })
}

/** It names no windows for devices: its devices see memory as the UBUS does. */
function hostBridge(): DtNode {
  const { io, memory, configuration } = PCIE
  return node(at('pcie', configuration.base), {
    compatible: 'pci-host-ecam-generic',
    device_type: 'pci',
    '#address-cells': 3,
    '#size-cells': 2,
    'linux,pci-domain': 0,
    'bus-range': [0, configuration.size / ECAM_BUS - 1],
    reg: reg(configuration),
    ranges: [...[IO_SPACE, 0, 0, io.base, 0, io.size], ...[MEMORY_SPACE, 0, memory.base, memory.base, 0, memory.size]],
    '#interrupt-cells': 1,
    'interrupt-map-mask': [(MAPPED_SLOTS - 1) << 11, 0, 0, 7],
    'interrupt-map': Array.from({ length: MAPPED_SLOTS }, (_, slot) =>
      Array.from({ length: PINS }, (__, pin) => [
        ...[slot << 11, 0, 0, pin + 1],
        ...[PERIPHERAL_INPUTS, PERIPHERAL_INTERRUPT.pcie + ((slot + pin) % PINS)],
      ]),
    ).flat(2),
  })
}
