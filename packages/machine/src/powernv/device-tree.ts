import { DeviceTree, DtNode, type PropertyInput, property } from '@dmascope/devicetree'
import { u64Cells } from '../pseries/tree/tree-node.ts'
import { OPAL_MEMORY, type PhbPlace, XIVE_TM_BASE } from './spec/address-map.ts'

/** What the tree of a machine tells. */
export interface PowernvFacts {
  readonly memory: number
  readonly cpus: number
  readonly commandLine: string
  /** Its host bridges, ascending. */
  readonly phbs: readonly PhbPlace[]
}

/** skiboot's phandle of the interrupt sources, and of the processors' side. */
const SOURCES_PHANDLE = 0x8066
const PRESENTER_PHANDLE = 0x806b
/** QEMU's first core of a chip with four threads a core has this number. */
const FIRST_PROCESSOR = 0
const TM_PAGE = 0x1_0000
const EVENT_QUEUES = [12, 16, 21, 24]
const TCE_SIZES = [12, 16, 21, 30]
const DIAGNOSTIC_BYTES = 0x2180

const node = (name: string, properties: Readonly<Record<string, PropertyInput>>, children: DtNode[] = []): DtNode =>
  new DtNode(
    name,
    Object.entries(properties).map(([key, value]) => property(key, value)),
    children,
  )

const hex = (address: number): string => address.toString(16)

/**
 * The device tree that skiboot makes for a kernel on QEMU's powernv9, as far as PCI, interrupts and memory go, without
 * the nodes of PCI functions: these skiboot adds when it has found them.
 *
 * DEVIATION: processors have no features, and there is nothing of the service processor, of XSCOM and of sensors.
 */
export function powernvTree({ memory, cpus, commandLine, phbs }: PowernvFacts): DeviceTree {
  const tree = new DeviceTree(
    node(
      '',
      {
        '#address-cells': 2,
        '#size-cells': 2,
        compatible: ['qemu,powernv9', 'ibm,powernv'],
        model: 'IBM PowerNV (emulated by qemu)',
      },
      [
        node('chosen', {
          ...(commandLine !== '' && { bootargs: commandLine }),
          'linux,stdout-path': '/ibm,opal/consoles/serial@0',
        }),
        node('cpus', { '#address-cells': 1, '#size-cells': 0 }, processors(cpus)),
        node('ibm,opal', { '#address-cells': 0, '#size-cells': 0, compatible: ['ibm,opal-v3'] }, [
          node('consoles', { '#address-cells': 1, '#size-cells': 0 }, [
            node('serial@0', { compatible: 'ibm,opal-console-raw', device_type: 'serial', reg: 0 }),
          ]),
        ]),
        node('interrupt-controller@0', {
          '#address-cells': 0,
          '#interrupt-cells': 2,
          compatible: ['ibm,opal-xive-vc', 'IBM,opal-xics'],
          device_type: 'PowerPC-Interrupt-Source-Controller',
          'interrupt-controller': true,
          phandle: SOURCES_PHANDLE,
          reg: [0, 0, 0, 0],
        }),
        node(`interrupt-controller@${hex(XIVE_TM_BASE)}`, {
          compatible: ['ibm,opal-xive-pe', 'ibm,opal-intc'],
          'ibm,xive-#priorities': 8,
          'ibm,xive-eq-sizes': EVENT_QUEUES,
          phandle: PRESENTER_PHANDLE,
          reg: [0, 1, 2, 3].flatMap((page) => [...u64Cells(XIVE_TM_BASE + page * TM_PAGE), ...u64Cells(TM_PAGE)]),
        }),
        node('memory@0', { device_type: 'memory', 'ibm,chip-id': 0, reg: [...u64Cells(0), ...u64Cells(memory)] }),
        ...phbs.map(hostBridge),
      ],
    ),
  )
  tree.reservations = [{ address: OPAL_MEMORY.base, size: OPAL_MEMORY.size }]
  return tree
}

function processors(count: number): DtNode[] {
  return Array.from({ length: count }, (_, core) => {
    const number = FIRST_PROCESSOR + core * 4
    return node(`PowerPC,POWER9@${hex(number)}`, { device_type: 'cpu', reg: number, 'ibm,chip-id': 0 })
  })
}

function hostBridge(place: PhbPlace): DtNode {
  const { index, registers, mem32, mem64, endpoints, mem64Bars, firstSource, messages, esb } = place
  return node(`pciex@${hex(registers.base)}`, {
    '#address-cells': 3,
    '#interrupt-cells': 1,
    '#size-cells': 2,
    'bus-range': [0, 0xff],
    compatible: ['ibm,power9-pciex', 'ibm,ioda3-phb'],
    device_type: 'pciex',
    'ibm,chip-id': 0,
    'ibm,opal-available-m64-ranges': [1, mem64Bars - 1],
    'ibm,opal-m64-window': [...u64Cells(mem64.bus), ...u64Cells(mem64.base), ...u64Cells(mem64.size)],
    'ibm,opal-msi-ranges': [firstSource, messages],
    'ibm,opal-num-pes': endpoints,
    'ibm,opal-phbid': [0, index],
    'ibm,opal-reserved-pe': endpoints - 1,
    'ibm,opal-single-pe': true,
    'ibm,phb-diag-data-size': DIAGNOSTIC_BYTES,
    'ibm,phb-index': index,
    'ibm,supported-tce-sizes': TCE_SIZES,
    'interrupt-parent': SOURCES_PHANDLE,
    ranges: [0x0200_0000, ...u64Cells(mem32.bus), ...u64Cells(mem32.base), ...u64Cells(mem32.size)],
    reg: [...u64Cells(registers.base), ...u64Cells(0x1000), ...u64Cells(esb.base), ...u64Cells(esb.size / 2)],
    status: 'okay',
  })
}
