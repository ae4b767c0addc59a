import { DeviceTree, node } from '@dmascope/devicetree'
import { DART, MAC_IO, MAC_IO_SLOT, OPEN_PIC, PCI_PORTS, PIN_SOURCES } from './spec/address-map.ts'

/** What the tree of a machine tells. */
export interface Mac99Facts {
  readonly memory: number
  readonly commandLine: string
  /** It has the DART of the real machine. */
  readonly dart: boolean
  /** The functions of the first bus that drive a pin: INTA of their slots. */
  readonly slots: readonly number[]
}

const PIC_PHANDLE = 1
const MAC_IO_DEVFN = MAC_IO_SLOT << 11
const MEMORY_SIZE = 0x1000_0000

const hex = (value: number): string => value.toString(16)

/**
 * What OpenBIOS tells of QEMU’s mac99 with a 970, as far as PCI, interrupts and memory go, flattened as Linux does it for
 * itself; and with a DART, the node that Apple’s Open Firmware has for it.
 *
 * DEVIATION: nothing of devices on mac-io but the interrupt controller, and no nodes of other functions.
 */
export const mac99Tree = ({ memory, commandLine, dart, slots }: Mac99Facts): DeviceTree =>
  new DeviceTree(
    node(
      '',
      {
        '#address-cells': 1,
        '#size-cells': 1,
        model: 'PowerMac3,1',
        compatible: ['PowerMac3,1', 'MacRISC', 'MacRISC2', 'Power Macintosh'],
        device_type: 'bootrom',
      },
      [
        node('chosen', { ...(commandLine !== '' && { bootargs: commandLine }) }),
        node('cpus', { '#address-cells': 1, '#size-cells': 0 }, [
          node('PowerPC,970FX@0', { device_type: 'cpu', reg: 0 }),
        ]),
        node('memory@0', { device_type: 'memory', reg: [0, memory] }),
        node(
          'pci@f0000000',
          {
            device_type: 'pci',
            model: 'AAPL,UniNorth',
            compatible: 'u3-agp',
            '#address-cells': 3,
            '#size-cells': 2,
            '#interrupt-cells': 1,
            reg: [0xf000_0000, 0x200_0000],
            ranges: [
              ...[0x0100_0000, 0, 0, PCI_PORTS.base, 0, PCI_PORTS.size],
              ...[0x0200_0000, 0, MAC_IO.base, MAC_IO.base, 0, MEMORY_SIZE],
            ],
            'bus-range': [0, 0],
            'interrupt-parent': PIC_PHANDLE,
            'interrupt-map': slots.flatMap((slot) => [slot << 11, 0, 0, 1, PIC_PHANDLE, PIN_SOURCES[slot & 3]!, 1]),
            'interrupt-map-mask': [0x00ff_f800, 0, 0, 7],
          },
          [
            node(
              `mac-io@${hex(MAC_IO_SLOT)}`,
              {
                device_type: 'mac-io',
                model: 'AAPL,Keylargo',
                compatible: 'Keylargo',
                '#address-cells': 1,
                '#size-cells': 1,
                '#interrupt-cells': 1,
                'assigned-addresses': [0x0200_0010 | MAC_IO_DEVFN, 0, MAC_IO.base, 0, MAC_IO.size],
                reg: [MAC_IO_DEVFN, 0, 0, 0, 0, 0x0200_0010 | MAC_IO_DEVFN, 0, 0, 0, MAC_IO.size],
                ranges: [0, 0x0200_0010 | MAC_IO_DEVFN, 0, MAC_IO.base, MAC_IO.size],
              },
              [
                node(`interrupt-controller@${hex(OPEN_PIC.offset)}`, {
                  device_type: 'open-pic',
                  compatible: 'chrp,open-pic',
                  'built-in': true,
                  reg: [OPEN_PIC.offset, OPEN_PIC.size],
                  '#interrupt-cells': 2,
                  '#address-cells': 0,
                  'interrupt-controller': true,
                  phandle: PIC_PHANDLE,
                }),
              ],
            ),
          ],
        ),
        node(
          'uni-n@f8000000',
          {
            device_type: 'memory-controller',
            compatible: dart ? 'u3' : 'uni-north',
            'device-rev': 7,
            reg: [0xf800_0000, 0x100_0000],
            ...(dart && { '#address-cells': 1, '#size-cells': 1, ranges: true }),
          },
          dart
            ? [
                node(`dart@${hex(DART.base)}`, {
                  device_type: 'dart',
                  compatible: 'u3-dart',
                  reg: [DART.base, DART.size],
                }),
              ]
            : [],
        ),
      ],
    ),
  )
