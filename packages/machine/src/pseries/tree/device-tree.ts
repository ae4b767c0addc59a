import { DeviceTree } from '@dmascope/devicetree'
import {
  EVENT_SOURCES,
  FIRST_VIO_REG,
  FIRST_VIO_SOURCE,
  MOST_HOST_BRIDGES,
  XIVE_TIMA_BASE,
} from '../spec/address-map.ts'
import { type Connector, orderConnectors, setConnectors } from './connectors.ts'
import { deviceMemory, MEMORY_BLOCK } from './device-memory.ts'
import { addHostBridge, pciConnectors } from './pci-nodes.ts'
import { addProcessors, processorFamily } from './processors.ts'
import { addRtas } from './rtas-node.ts'
import type { PseriesFacts } from './tree-facts.ts'
import { TreeNode, u64Cells } from './tree-node.ts'

/** QEMU's phandle of the interrupt controller. */
const INTERRUPT_CONTROLLER = 0x1111
const NVRAM_BYTES = 0x1_0000
const LARGEST_FIRST_MEMORY = 2 ** 40
const TIMA_PAGE = 0x1_0000
const TIMA_USER = 3
const TIMA_OS = 2

/** Byte 23 of option vector 5: which interrupt controllers a guest may ask for. */
const OFFERS = { xics: 0x00, xive: 0x40, dual: 0x80 } as const

/**
 * The device tree that QEMU gives the firmware of a pseries machine, with properties and nodes in QEMU's order.
 *
 * DEVIATION: `rng-seed` is the same in every tree.
 */
export function pseriesTree(facts: PseriesFacts): DeviceTree {
  const root = new TreeNode('')
  root.set('device_type', 'chrp')
  root.set('model', 'IBM pSeries (emulated by qemu)')
  root.set('compatible', 'qemu,pseries')
  root.set('vm,uuid', '00000000-0000-0000-0000-000000000000')
  root.set('#address-cells', 2)
  root.set('#size-cells', 2)
  addInterruptController(root, facts)
  addMemory(root, facts.memory)
  addVirtualIo(root, facts)
  const ordered = orderConnectors(connectorsOf(facts))
  for (const bridge of facts.hostBridges.toReversed()) addHostBridge(root, bridge, INTERRUPT_CONTROLLER, ordered)
  const cpus = root.add('cpus')
  cpus.set('#address-cells', 1)
  cpus.set('#size-cells', 0)
  addProcessors(cpus, facts)
  setConnectors(root, ordered, '', ['memory', 'phb'])
  setConnectors(cpus, ordered, '', ['cpu'])
  addEventSources(root)
  addRtas(root, facts)
  addChosen(root, facts)
  const persistent = root.add('ibm,persistent-memory')
  persistent.set('#address-cells', 1)
  persistent.set('#size-cells', 0)
  persistent.set('device_type', 'ibm,persistent-memory')
  return new DeviceTree(root.build())
}

/** Everything that may be plugged in later, in QEMU's order of creation. */
function connectorsOf(facts: PseriesFacts): Connector[] {
  const connectors: Connector[] = []
  for (let id = 0; id < facts.maxCpus; id++) connectors.push({ kind: 'cpu', id, owner: '' })
  const hotPlug = deviceMemory(facts.memory, facts.maxMemory)
  for (let at = hotPlug?.base ?? 0; at < (hotPlug?.end ?? 0); at += MEMORY_BLOCK) {
    connectors.push({ kind: 'memory', id: at / MEMORY_BLOCK, owner: '' })
  }
  for (let id = 0; id < MOST_HOST_BRIDGES; id++) connectors.push({ kind: 'phb', id, owner: '' })
  for (const bridge of facts.hostBridges) connectors.push(...pciConnectors(bridge))
  return connectors
}

function addInterruptController(root: TreeNode, { interrupts, maxCpus }: PseriesFacts): void {
  if (interrupts.chosen === 'xics') {
    const node = root.add('interrupt-controller')
    node.set('device_type', 'PowerPC-External-Interrupt-Presentation')
    node.set('compatible', 'IBM,ppc-xicp')
    node.set('interrupt-controller', true)
    node.set('ibm,interrupt-server-ranges', [0, maxCpus])
    node.set('#interrupt-cells', 2)
    node.set('linux,phandle', INTERRUPT_CONTROLLER)
    node.set('phandle', INTERRUPT_CONTROLLER)
    return
  }
  const page = (level: number): readonly number[] => [
    ...u64Cells(XIVE_TIMA_BASE + level * TIMA_PAGE),
    ...u64Cells(TIMA_PAGE),
  ]
  const node = root.add(`interrupt-controller@${(XIVE_TIMA_BASE + TIMA_USER * TIMA_PAGE).toString(16)}`)
  node.set('device_type', 'power-ivpe')
  node.set('reg', [...page(TIMA_USER), ...page(TIMA_OS)])
  node.set('compatible', 'ibm,power-ivpe')
  node.set('ibm,xive-eq-sizes', 16)
  node.set('ibm,xive-lisn-ranges', [0, maxCpus])
  node.set('interrupt-controller', true)
  node.set('#interrupt-cells', 2)
  node.set('linux,phandle', INTERRUPT_CONTROLLER)
  node.set('phandle', INTERRUPT_CONTROLLER)
  // Priorities from 7 on are the hypervisor's.
  root.set('ibm,plat-res-int-priorities', [7, 0xf8])
}

/** The first node is a power of two, the rest goes in aligned powers of two. */
function addMemory(root: TreeNode, memory: number): void {
  const powerBelow = (size: number): number => 2 ** Math.floor(Math.log2(size))
  let start = 0
  while (start < memory) {
    let size = powerBelow(memory - start)
    if (start === 0) size = Math.min(size, LARGEST_FIRST_MEMORY)
    while (start % size !== 0) size /= 2
    const node = root.add(`memory@${start.toString(16)}`)
    node.set('device_type', 'memory')
    node.set('reg', [...u64Cells(start), ...u64Cells(size)])
    node.set('ibm,associativity', [4, 0, 0, 0, 0])
    start += size
  }
}

function addVirtualIo(root: TreeNode, { virtualIo }: PseriesFacts): void {
  const bus = root.add('vdevice')
  bus.set('device_type', 'vdevice')
  bus.set('compatible', 'IBM,vdevice')
  bus.set('#address-cells', 1)
  bus.set('#size-cells', 0)
  bus.set('#interrupt-cells', 2)
  bus.set('interrupt-controller', true)
  for (const [index, { kind }] of [...virtualIo.entries()].reverse()) {
    const node = bus.add(`${kind}@${(FIRST_VIO_REG + index).toString(16)}`)
    node.set('reg', FIRST_VIO_REG + index)
    node.set('device_type', kind === 'vty' ? 'serial' : 'nvram')
    node.set('compatible', kind === 'vty' ? 'hvterm1' : 'qemu,spapr-nvram')
    node.set('interrupts', [FIRST_VIO_SOURCE + index, 0])
    if (kind === 'nvram') node.set('#bytes', NVRAM_BYTES)
  }
}

function addEventSources(root: TreeNode): void {
  const node = root.add('event-sources')
  node.set('interrupt-controller', true)
  node.set('#interrupt-cells', 2)
  node.set('interrupt-ranges', [EVENT_SOURCES.epow, 1, EVENT_SOURCES.hotPlug, 1])
  node.add('epow-events').set('interrupts', [EVENT_SOURCES.epow, 0])
  node.add('hot-plug-events').set('interrupts', [EVENT_SOURCES.hotPlug, 0])
}

function addChosen(root: TreeNode, facts: PseriesFacts): void {
  const isa3 = processorFamily(facts.cpu)?.isa3 !== false
  const node = root.add('chosen')
  if (facts.commandLine !== '') node.set('bootargs', facts.commandLine)
  node.set('qemu,graphic-width', 800)
  node.set('qemu,graphic-height', 600)
  node.set('qemu,graphic-depth', 32)
  if (facts.virtualIo.some(({ kind }) => kind === 'vty')) {
    const path = `/vdevice/vty@${FIRST_VIO_REG.toString(16)}`
    node.set('linux,stdout-path', path)
    node.set('stdout-path', path)
  }
  node.set('linux,pci-probe-only', 0)
  // Pairs of a byte of option vector 5 and what it may be: interrupts, page tables, their options.
  const interrupts = isa3 ? OFFERS[facts.interrupts.offered] : OFFERS.xics
  node.set('ibm,arch-vec-5-platform-support', Uint8Array.of(23, interrupts, 24, isa3 ? 0xc0 : 0, 25, 0, 26, 0x40))
  node.set(
    'rng-seed',
    Uint8Array.from({ length: 32 }, (_, at) => (Math.imul(at + 1, 0x9e37_79b1) >>> 11) & 0xff),
  )
  node.set('ibm,architecture-vec-5', Uint8Array.of(0, 0))
}
