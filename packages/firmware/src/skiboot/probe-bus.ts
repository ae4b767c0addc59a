import { DtNode, property } from '@dmascope/devicetree'
import {
  CAPABILITY_HEADER,
  HEADER_TYPE,
  PCI_CAP_ID_EXP,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
  PCIE_CAPABILITIES,
  PCIE_CAPABILITY,
  PCIE_DOWNSTREAM_PORT,
  PCIE_ROOT_PORT,
} from '@dmascope/pci/spec'
import type { OpalConfig } from './opal-config.ts'

const TYPE0 = PCI_HEADER_TYPE0.registers
const TYPE1 = PCI_HEADER_TYPE1.registers
const LAST_BUS = 0xff
const PINS = [1, 2, 3, 4]
const LEVEL = 1
const MOST_CAPABILITIES = 48

/** What of a host bridge its functions' nodes tell. */
export interface ProbedBridge {
  readonly config: OpalConfig
  /** Interrupt source of INTA of its bus. */
  readonly firstLsi: number
  readonly interruptController: number
}

/** The bus numbers that are given out. */
interface Numbering {
  last: number
}

/**
 * Finds what is on a bus and below it, gives the buses their numbers, depth first, and makes the nodes.
 *
 * DEVIATION: functions’ nodes are called `pci` and `device`, where skiboot names them by their class.
 *
 * @param single - the bus is a link, with one device at its end
 * @param turns - how often pins of what is on the bus turn on their way up, besides by their own slot
 */
export function probeBus(
  bridge: ProbedBridge,
  bus: number,
  single: boolean,
  turns: number,
  numbering: Numbering = { last: bus },
): DtNode[] {
  const nodes: DtNode[] = []
  for (let device = 0; device < (single ? 1 : 32); device++) {
    for (let fn = 0; fn < 8; fn++) {
      const id = (bus << 8) | (device << 3) | fn
      const ids = bridge.config.read(id, TYPE0.VENDOR_ID.offset, 4)
      const isThere = ids !== 0xffff_ffff && ids !== 0
      if (isThere) nodes.push(functionNode(bridge, id, ids, turns, numbering))
      const multifunction =
        isThere && HEADER_TYPE.fields.MULTI_FUNCTION.get(bridge.config.read(id, TYPE0.HEADER_TYPE.offset, 1)) === 1
      if (fn === 0 && !multifunction) break
    }
  }
  return nodes
}

function functionNode(bridge: ProbedBridge, id: number, ids: number, turns: number, numbering: Numbering): DtNode {
  const { config } = bridge
  const isBridge = HEADER_TYPE.fields.HEADER_LAYOUT.get(config.read(id, TYPE0.HEADER_TYPE.offset, 1)) === 1
  const [device, fn] = [(id >>> 3) & 31, id & 7]
  const revision = config.read(id, TYPE0.REVISION_ID.offset, 4)
  const pin = config.read(id, TYPE0.INTERRUPT_PIN.offset, 1)
  const unit = fn === 0 ? device.toString(16) : `${device.toString(16)},${fn}`
  const properties = [
    property('reg', [id << 8, 0, 0, 0, 0]),
    property('class-code', revision >>> 8),
    property('revision-id', revision & 0xff),
    property('vendor-id', ids & 0xffff),
    property('device-id', ids >>> 16),
    property('ibm,pci-config-space-type', portType(config, id) === null ? 0 : 1),
    ...(pin > 0 && pin <= PINS.length ? [property('interrupts', pin)] : []),
  ]
  if (!isBridge || numbering.last >= LAST_BUS) return new DtNode(`device@${unit}`, properties)
  const type = portType(config, id)
  const single = type === PCIE_ROOT_PORT || type === PCIE_DOWNSTREAM_PORT
  // A bridge on the host bridge's own bus is its port: pins of what is below come out there as they are.
  const turnsBelow = id >>> 8 === 0 ? 0 : turns + device
  const secondary = ++numbering.last
  number(config, id, secondary, LAST_BUS)
  const children = probeBus(bridge, secondary, single, turnsBelow, numbering)
  number(config, id, secondary, numbering.last)
  const slots = single ? [0] : Array.from({ length: 32 }, (_, slot) => slot)
  properties.push(
    property('device_type', 'pciex'),
    property('#address-cells', 3),
    property('#size-cells', 2),
    property('#interrupt-cells', 1),
    property('interrupt-map-mask', [single ? 0 : 0xf800, 0, 0, 7]),
    property(
      'interrupt-map',
      slots.flatMap((slot) =>
        PINS.flatMap((one) => {
          const source = bridge.firstLsi + ((one - 1 + slot + turnsBelow) % PINS.length)
          return [slot << 11, 0, 0, one, bridge.interruptController, source, LEVEL]
        }),
      ),
    ),
    property('ranges', [0x0200_0000, 0, 0, 0x0200_0000, 0, 0, 0xf000_0000, 0]),
  )
  return new DtNode(`pci@${unit}`, properties, children)
}

function number(config: OpalConfig, id: number, secondary: number, subordinate: number): void {
  config.write(id, TYPE1.PRIMARY_BUS_NUMBER.offset, 1, id >>> 8)
  config.write(id, TYPE1.SECONDARY_BUS_NUMBER.offset, 1, secondary)
  config.write(id, TYPE1.SUBORDINATE_BUS_NUMBER.offset, 1, subordinate)
}

/** The port type of a PCI Express function; null for a conventional one. */
function portType(config: OpalConfig, id: number): number | null {
  let at = config.read(id, TYPE0.CAPABILITIES_POINTER.offset, 1) & 0xfc
  for (let steps = 0; at !== 0 && steps < MOST_CAPABILITIES; steps++) {
    if (config.read(id, at + CAPABILITY_HEADER.registers.CAP_ID.offset, 1) === PCI_CAP_ID_EXP) {
      const register = config.read(id, at + PCIE_CAPABILITY.registers.PCIE_CAPABILITIES.offset, 2)
      return PCIE_CAPABILITIES.fields.DEVICE_PORT_TYPE.get(register)
    }
    at = config.read(id, at + CAPABILITY_HEADER.registers.NEXT_PTR.offset, 1) & 0xfc
  }
  return null
}
