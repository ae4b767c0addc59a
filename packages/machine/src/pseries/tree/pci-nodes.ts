import { IOMMU_BYPASS } from '@dmascope/devicetree'
import { BUID_HI, MSI_SOURCES } from '../spec/address-map.ts'
import { rtasToken } from '../spec/rtas-tokens.ts'
import { nameOfClass } from './class-names.ts'
import { type Connector, connectorIndex, pciConnectorId, setConnectors } from './connectors.ts'
import type { BusFacts, FunctionFacts, HostBridgeFacts } from './tree-facts.ts'
import { type TreeNode, u64Cells } from './tree-node.ts'

const SLOTS = 32
const PINS = 4
const STATUS_DEVSEL = 0x0600
const STATUS_66MHZ = 0x0020
const STATUS_UDF = 0x0040
const STATUS_FAST_BACK = 0x0080

/** Space codes of phys.hi (PCI Bus Binding §2.2.1.1). */
const SPACE = { config: 0, io: 0x0100_0000, mem32: 0x0200_0000, mem64: 0x0300_0000 } as const

/** Who owns a bus's connectors: its host bridge, or the bridge above it. */
const ownerOf = (index: number, chassis: number): string => `${index}.${chassis}`

/** The connectors of a host bridge and of the bridges below it, in order of creation: each bus has 256. */
export function pciConnectors({ index, bus }: HostBridgeFacts): Connector[] {
  const connectors: Connector[] = []
  const add = (chassis: number): void => {
    for (let devfn = 0; devfn < SLOTS * 8; devfn++) {
      connectors.push({ kind: 'pci', id: pciConnectorId(index, chassis, devfn), owner: ownerOf(index, chassis) })
    }
  }
  const visit = ({ functions }: BusFacts): void => {
    for (const { below } of functions) {
      if (below === null) continue
      add(below.chassis)
      visit(below.bus)
    }
  }
  add(0)
  visit(bus)
  return connectors
}

/** A host bridge's node and all below it, as QEMU's `spapr_dt_phb` writes them. */
export function addHostBridge(
  root: TreeNode,
  facts: HostBridgeFacts,
  interruptController: number,
  ordered: readonly Connector[],
): void {
  const { index, place } = facts
  const node = root.add(`pci@${BUID_HI.toString(16)}${place.buidLo.toString(16).padStart(8, '0')}`)
  node.set('device_type', 'pci')
  node.set('compatible', 'IBM,Logical_PHB')
  node.set('#interrupt-cells', 1)
  node.set('used-by-rtas', true)
  node.set('bus-range', [0, 0xff])
  node.set(
    'ranges',
    [
      { space: SPACE.io, window: place.io },
      { space: SPACE.mem32, window: place.mem32 },
      { space: SPACE.mem64, window: place.mem64 },
    ].flatMap(({ space, window: { bus, base, size } }) => [
      space,
      ...u64Cells(bus),
      ...u64Cells(base),
      ...u64Cells(size),
    ]),
  )
  node.set('reg', [BUID_HI, place.buidLo, 0, 0])
  node.set('ibm,pci-config-space-type', 1)
  node.set('ibm,pe-total-#msi', MSI_SOURCES.count)
  if (facts.dynamicWindows) {
    node.set('ibm,ddw-applicable', [
      rtasToken('ibm,query-pe-dma-window'),
      rtasToken('ibm,create-pe-dma-window'),
      rtasToken('ibm,remove-pe-dma-window'),
    ])
    // Two extensions: the token of the reset call, and queries with six outputs.
    node.set('ibm,ddw-extensions', [2, rtasToken('ibm,reset-pe-dma-window'), 1])
  }
  node.set('interrupt-map-mask', [0xf800, 0, 0, 0xffff_ffff])
  node.set('interrupt-map', interruptMap(place.firstLsi, interruptController))
  node.set('ibm,#dma-address-cells', 2)
  node.set('ibm,#dma-size-cells', 2)
  node.set('ibm,dma-window', [place.liobns[0], ...u64Cells(facts.dmaWindowBase), ...u64Cells(facts.dmaWindowSize)])
  node.set('ibm,my-drc-index', connectorIndex('phb', index))
  node.set('qemu,phb-enumerated', 1)
  setBus(node, facts.bus, index, 0, ordered)
}

/** Pins turn by slot: INTA of slot 1 comes out where INTB of slot 0 does. The sources are level-triggered. */
function interruptMap(firstLsi: number, interruptController: number): number[] {
  const map: number[] = []
  for (let slot = 0; slot < SLOTS; slot++) {
    for (let pin = 0; pin < PINS; pin++) {
      map.push(slot << 11, 0, 0, pin + 1, interruptController, firstLsi + ((slot + pin) % PINS), 1)
    }
  }
  return map
}

function setBus(node: TreeNode, bus: BusFacts, index: number, chassis: number, ordered: readonly Connector[]): void {
  node.set('#address-cells', 3)
  node.set('#size-cells', 2)
  for (const one of bus.functions.toReversed()) addFunction(node, one, bus.number, index, chassis, ordered)
  setConnectors(node, ordered, ownerOf(index, chassis), ['pci'])
}

function addFunction(
  parent: TreeNode,
  one: FunctionFacts,
  busNumber: number,
  index: number,
  chassis: number,
  ordered: readonly Connector[],
): void {
  const { device, fn, status } = one
  const unit = fn === 0 ? device.toString(16) : `${device.toString(16)},${fn}`
  const node = parent.add(`${nameOfClass(one.classCode)}@${unit}`)
  node.set('vendor-id', one.vendorId)
  node.set('device-id', one.deviceId)
  node.set('revision-id', one.revision)
  node.set('class-code', one.classCode)
  if (one.interruptPin !== 0) node.set('interrupts', one.interruptPin)
  if (one.subsystemId !== 0) node.set('subsystem-id', one.subsystemId)
  if (one.subsystemVendorId !== 0) node.set('subsystem-vendor-id', one.subsystemVendorId)
  if (one.tellsBypass) node.set(IOMMU_BYPASS, true)
  node.set('cache-line-size', one.cacheLineSize)
  node.set('devsel-speed', status & STATUS_DEVSEL)
  if ((status & STATUS_FAST_BACK) !== 0) node.set('fast-back-to-back', true)
  if ((status & STATUS_66MHZ) !== 0) node.set('66mhz-capable', true)
  if ((status & STATUS_UDF) !== 0) node.set('udf-supported', true)
  node.set('ibm,loc-code', `qemu_${one.model}:${hex(index, 4)}:${hex(busNumber, 2)}:${hex(device, 2)}.${fn}`)
  const devfn = (device << 3) | fn
  node.set('ibm,my-drc-index', connectorIndex('pci', pciConnectorId(index, chassis, devfn)))
  if (one.msi !== 0) node.set('ibm,req#msi', one.msi)
  if (one.msix !== 0) node.set('ibm,req#msi-x', one.msix)
  const address = ((busNumber << 16) | (devfn << 8)) >>> 0
  node.set('reg', [
    ...[address, 0, 0, 0, 0],
    ...one.bars.flatMap(({ offset, space, size }) => [
      (SPACE[space] | address | offset) >>> 0,
      0,
      0,
      ...u64Cells(size),
    ]),
  ])
  if (one.express) node.set('ibm,pci-config-space-type', 1)
  if (one.below === null) {
    node.set('min-grant', one.minGrant)
    node.set('max-latency', one.maxLatency)
  } else setBus(node, one.below.bus, index, one.below.chassis, ordered)
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
