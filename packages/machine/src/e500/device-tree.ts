import { DeviceTree, type DtNode, node } from '@dmascope/devicetree'
import type { QemuVersion } from '../description.ts'
import { u64Cells } from '../pseries/tree/tree-node.ts'
import {
  CCSR,
  CCSR_MPIC,
  CCSR_MSI,
  CCSR_PCI,
  FIRST_SLOT,
  LAST_SLOT,
  MSI_SOURCE,
  PCI_MEMORY,
  PCI_PIN_SOURCE,
  PCI_PORTS,
} from './spec/address-map.ts'

/** What the tree of a machine tells. */
export interface E500Facts {
  readonly qemuVersion: QemuVersion
  readonly memory: number
  readonly cpus: number
  readonly commandLine: string
}

const CLOCK = 400_000_000
const PCI_CLOCK = 0x3f9_40aa
const SPIN_TABLE = { base: 0xf_ef00_0000, stride: 0x20 } as const
const PLATFORM_BUS = { base: 0xf_0000_0000, size: 0x800_0000 } as const
const MPIC_PHANDLE = 0x8003
const MSI_PHANDLE = 0x8004
const GPIO_PHANDLE = 0x8005
const MSI_REGISTERS = 8
const PINS = [0, 1, 2, 3] as const

const hex = (value: number): string => value.toString(16)
/** As old trees have it, beside the standard property. */
const phandles = (phandle: number): Record<string, number> => ({ 'linux,phandle': phandle, phandle })

/**
 * QEMU's tree of a ppce500 for a kernel that it starts itself (`ppce500_load_device_tree`).
 *
 * DEVIATION: no random seed, no place of the kernel, and no serial lines: what `-nodefaults` leaves.
 */
export function e500Tree(facts: E500Facts): DeviceTree {
  const { qemuVersion, memory, cpus, commandLine } = facts
  return new DeviceTree(
    node('', { compatible: 'fsl,qemu-e500', model: 'QEMU ppce500', '#size-cells': 2, '#address-cells': 2 }, [
      node(`platform@${hex(PLATFORM_BUS.base)}`, {
        'interrupt-parent': MPIC_PHANDLE,
        ranges: [0, ...u64Cells(PLATFORM_BUS.base), PLATFORM_BUS.size],
        '#address-cells': 1,
        '#size-cells': 1,
        compatible: ['qemu,platform', 'simple-bus'],
      }),
      hostBridge(),
      soc(qemuVersion),
      node('aliases', {
        pci0: `/pci@${hex(CCSR.base + CCSR_PCI.offset)}`,
        rtc: 'i2c/rtc@68',
        i2c: `/soc@${hex(CCSR.base)}/i2c@3000`,
      }),
      node('cpus', { '#size-cells': 0, '#address-cells': 1 }, processors(cpus, qemuVersion)),
      node('chosen', { bootargs: commandLine }),
      node('memory', { reg: [0, 0, ...u64Cells(memory)], device_type: 'memory' }),
    ]),
  )
}

function hostBridge(): DtNode {
  const map = []
  for (let slot = FIRST_SLOT; slot <= LAST_SLOT; slot++) {
    for (const pin of PINS) {
      map.push(slot << 11, 0, 0, pin + 1, MPIC_PHANDLE, PCI_PIN_SOURCE + ((slot + pin) & 3), 1)
    }
  }
  return node(`pci@${hex(CCSR.base + CCSR_PCI.offset)}`, {
    '#address-cells': 3,
    '#size-cells': 2,
    '#interrupt-cells': 1,
    'clock-frequency': PCI_CLOCK,
    reg: [...u64Cells(CCSR.base + CCSR_PCI.offset), ...u64Cells(CCSR_PCI.size)],
    ranges: [
      ...[0x0200_0000, ...u64Cells(PCI_MEMORY.bus), ...u64Cells(PCI_MEMORY.base), ...u64Cells(PCI_MEMORY.size)],
      ...[0x0100_0000, 0, 0, ...u64Cells(PCI_PORTS.base), ...u64Cells(PCI_PORTS.size)],
    ],
    'fsl,msi': MSI_PHANDLE,
    'bus-range': [0, 0xff],
    interrupts: [24, 2],
    'interrupt-parent': MPIC_PHANDLE,
    'interrupt-map': map,
    'interrupt-map-mask': [0xf800, 0, 0, 7],
    device_type: 'pci',
    compatible: 'fsl,mpc8540-pci',
    'cell-index': 0,
  })
}

function soc(version: QemuVersion): DtNode {
  const newer = version !== '7.2'
  const registers = Array.from({ length: MSI_REGISTERS }, (_, index) => [MSI_SOURCE + index, 0])
  return node(
    `soc@${hex(CCSR.base)}`,
    {
      'bus-frequency': 0,
      ranges: [0, ...u64Cells(CCSR.base), CCSR.size],
      '#size-cells': 1,
      '#address-cells': 1,
      compatible: ['fsl,mpc8544-immr', 'simple-bus'],
      device_type: 'soc',
    },
    [
      node('power-off', { gpios: [GPIO_PHANDLE, 0, 0], compatible: 'gpio-poweroff' }),
      node('gpio@ff000', {
        ...phandles(GPIO_PHANDLE),
        'gpio-controller': true,
        '#gpio-cells': 2,
        'interrupt-parent': MPIC_PHANDLE,
        interrupts: [47, 2],
        reg: [0xf_f000, 0x1000],
        compatible: 'fsl,qoriq-gpio',
      }),
      node(`msi@${hex(CCSR_MSI.offset)}`, {
        ...phandles(MSI_PHANDLE),
        interrupts: registers.flat(),
        'interrupt-parent': MPIC_PHANDLE,
        'msi-available-ranges': [0, 0x100],
        reg: [CCSR_MSI.offset, CCSR_MSI.size],
        compatible: 'fsl,mpic-msi',
      }),
      node('global-utilities@e0000', {
        'fsl,has-rstcr': true,
        reg: [0xe_0000, 0x1000],
        compatible: 'fsl,mpc8544-guts',
      }),
      ...(newer ? [cardReader()] : []),
      clockBus(newer),
      node(`pic@${hex(CCSR_MPIC.offset)}`, {
        'interrupt-controller': true,
        ...phandles(MPIC_PHANDLE),
        '#interrupt-cells': 2,
        '#address-cells': 0,
        reg: [CCSR_MPIC.offset, CCSR_MPIC.size],
        compatible: 'fsl,mpic',
        device_type: 'open-pic',
      }),
    ],
  )
}

const cardReader = (): DtNode =>
  node('sdhc@2e000', {
    compatible: 'fsl,esdhc',
    reg: [0x2_e000, 0x1000],
    interrupts: [72, 2],
    'bus-width': 4,
    'interrupt-parent': MPIC_PHANDLE,
    'sdhci,auto-cmd12': true,
  })

function clockBus(newer: boolean): DtNode {
  return node(
    'i2c@3000',
    {
      ...(newer && { '#address-cells': 1, '#size-cells': 0 }),
      'interrupt-parent': MPIC_PHANDLE,
      interrupts: [43, 2],
      'cell-index': 0,
      reg: [0x3000, 0x14],
      compatible: 'fsl-i2c',
      device_type: 'i2c',
    },
    [node('rtc@68', { reg: 0x68, compatible: 'pericom,pt7c4338' })],
  )
}

/** The first starts, the others wait at a table. */
function processors(count: number, version: QemuVersion): DtNode[] {
  return Array.from({ length: count }, (_, index) =>
    node(`PowerPC,8544@${hex(index)}`, {
      ...(index === 0
        ? { status: 'okay' }
        : {
            'cpu-release-addr': u64Cells(SPIN_TABLE.base + index * SPIN_TABLE.stride),
            'enable-method': 'spin-table',
            status: 'disabled',
          }),
      'bus-frequency': version === '7.2' ? 0 : CLOCK,
      'i-cache-size': 0x8000,
      'd-cache-size': 0x8000,
      'i-cache-line-size': 0x20,
      'd-cache-line-size': 0x20,
      reg: index,
      device_type: 'cpu',
      'timebase-frequency': CLOCK,
      'clock-frequency': CLOCK,
    }),
  )
}
