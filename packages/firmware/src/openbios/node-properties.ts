import { type DtProperty, type PropertyInput, property } from '@dmascope/devicetree'
import { PCI_HEADER_TYPE0, STATUS } from '@dmascope/pci/spec'
import type { PlacedBar } from './place-bars.ts'
import type { SabreConfig } from './sabre-config.ts'

const TYPE0 = PCI_HEADER_TYPE0.registers
const NO_SUBSYSTEM = 0x06
const BRIDGE_SUBCLASS = 0x04

/** Spaces of phys.hi (PCI Bus Binding §2.2.1.1), and what OpenBIOS marks 64-bit and prefetchable ones with. */
const SPACES = { io: 0x0100_0000, mem32: 0x0200_0000, mem64: 0x8300_0000 } as const
const PREFETCHABLE = 0x4000_0000
const CELLS = { address: 3, size: 2, interrupts: 1 } as const

interface KnownDevice {
  readonly name: string
  readonly type?: string
  readonly model?: string
  /** It is a bus, whose children have unit addresses. */
  readonly isBus?: boolean
}

/** Of OpenBIOS’s list of devices, those that a sun4u mostly has, by vendor and device. */
const KNOWN: Readonly<Record<string, KnownDevice>> = {
  '108e,a000': { name: 'pci', type: 'pci', model: 'SUNW,sabre', isBus: true },
  '108e,5000': { name: 'pci', type: 'pci', model: 'SUNW,simba', isBus: true },
  '108e,1000': { name: 'ebus', model: 'ebus' },
  '108e,1001': { name: 'SUNW,hme', type: 'network' },
  '1095,646': { name: 'ide', type: 'ide' },
  '1234,1111': { name: 'QEMU,VGA', type: 'display' },
  '1af4,1001': { name: 'scsi', type: 'scsi' },
  '8086,100e': { name: 'e1000', type: 'network' },
}

/** A function, as its node tells of it. */
export interface DescribedFunction {
  readonly name: string
  readonly properties: DtProperty[]
}

/**
 * Name and properties of a function, as OpenBIOS’s `ob_pci_add_properties` has them.
 *
 * DEVIATION: devices that are not in the list above are named by their IDs, as those are that OpenBIOS does not know.
 */
export function describeFunction(config: SabreConfig, id: number, bars: readonly PlacedBar[]): DescribedFunction {
  const ids = config.read(id, TYPE0.VENDOR_ID.offset, 4)
  const [vendor, device] = [ids & 0xffff, ids >>> 16]
  const revision = config.read(id, TYPE0.REVISION_ID.offset, 4)
  const classCode = revision >>> 8
  const isBridge = classCode >>> 16 === NO_SUBSYSTEM && ((classCode >>> 8) & 0xff) === BRIDGE_SUBCLASS
  const hex = `${vendor.toString(16)},${device.toString(16)}`
  const known = Object.hasOwn(KNOWN, hex) ? KNOWN[hex]! : { name: `pci${hex}` }
  const status = config.read(id, TYPE0.STATUS.offset, 2)
  const pin = config.read(id, TYPE0.INTERRUPT_PIN.offset, 1)
  const subsystem = isBridge ? 0 : config.read(id, TYPE0.SUBSYSTEM_VENDOR_ID.offset, 4)
  const { DEVSEL_TIMING, FAST_BACK_TO_BACK_CAPABLE, CAPABLE_66MHZ } = STATUS.fields
  const entries: [string, PropertyInput | false][] = [
    ['vendor-id', vendor],
    ['device-id', device],
    ['revision-id', revision & 0xff],
    ['class-code', classCode],
    ['interrupts', pin !== 0 && pin],
    ['min-grant', isBridge ? 0 : config.read(id, TYPE0.MIN_GNT.offset, 1)],
    ['max-latency', isBridge ? 0 : config.read(id, TYPE0.MAX_LAT.offset, 1)],
    ['devsel-speed', DEVSEL_TIMING.get(status)],
    ['fast-back-to-back', FAST_BACK_TO_BACK_CAPABLE.get(status) === 1],
    ['66mhz-capable', CAPABLE_66MHZ.get(status) === 1],
    ['subsystem-vendor-id', (subsystem & 0xffff) !== 0 && subsystem & 0xffff],
    ['subsystem-id', subsystem >>> 16 !== 0 && subsystem >>> 16],
    ['cache-line-size', config.read(id, TYPE0.CACHE_LINE_SIZE.offset, 2)],
    ['device_type', known.type ?? false],
    ['model', known.model ?? false],
    ['compatible', [`pci${hex}`, `pciclass,${classCode.toString(16).padStart(6, '0')}`]],
    ['#address-cells', known.isBus === true && CELLS.address],
    ['#size-cells', known.isBus === true && CELLS.size],
    ['#interrupt-cells', known.isBus === true && CELLS.interrupts],
    ['assigned-addresses', bars.length > 0 && bars.flatMap((bar) => cellsOf(id, bar, bar.address))],
    ['reg', [id << 8, 0, 0, 0, 0, ...bars.flatMap((bar) => cellsOf(id, bar, 0))]],
  ]
  const properties = entries.flatMap(([key, value]) => (value === false ? [] : [property(key, value)]))
  return { name: known.name, properties }
}

const cellsOf = (id: number, { kind, prefetchable, offset, size }: PlacedBar, address: number): number[] => [
  (SPACES[kind] | (prefetchable ? PREFETCHABLE : 0) | (id << 8) | offset) >>> 0,
  0,
  address,
  0,
  size,
]
