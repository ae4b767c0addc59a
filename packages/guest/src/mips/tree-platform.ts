import { type DeviceTree, type DtNode, interruptParent, pathOf } from '@dmascope/devicetree'
import type { EcamHostBridge } from '../pci/ecam-host-bridge.ts'
import type { PlatformDevice, WireInterrupt } from '../platform/platform-device.ts'
import { places } from '../tree/places.ts'
import { ECAM_HOST_BRIDGE, readEcamHostBridge } from '../tree/read-ecam-host-bridge.ts'
import { readTreeDevices } from '../tree/tree-devices.ts'
import type { L2Place } from './l2-interrupts.ts'
import { numberOf } from './l2-pins.ts'

const PROCESSOR_INPUTS = 'mti,cpu-interrupt-controller'
const L2_CONTROLLER = 'brcm,bcm3380-l2-intc'
/** Linux's MAX_WORDS. */
const MOST_WORDS = 4

/** What the tree tells of a BMIPS machine. */
export interface MipsPlatform {
  readonly tree: DeviceTree
  /** Controllers on the processor's own inputs, in the tree's order. */
  readonly controllers: ReadonlyMap<DtNode, L2Place>
  readonly hostBridges: readonly { readonly node: DtNode; readonly bridge: EcamHostBridge }[]
  /** Devices on no bus of PCI, in the tree's order. */
  readonly devices: readonly PlatformDevice[]
}

const isA = (node: DtNode, compatible: string): boolean => node.strings('compatible').includes(compatible)

/** Reads a BMIPS machine's device tree. A text is why the kernel cannot go on. */
export function readMipsPlatform(tree: DeviceTree, log: (line: string) => void): MipsPlatform | string {
  const nodes = [...tree.nodes()]
  // Linux's `plat_time_init` panics.
  const cpus = tree.find('/cpus')
  if (cpus === undefined) return "missing 'cpus' DT node"
  if (!cpus.has('mips-hpt-frequency')) return "missing 'mips-hpt-frequency' property"
  const processor = nodes.find((node) => isA(node, PROCESSOR_INPUTS))
  if (processor === undefined) return 'no interrupt controller of the processor in the device tree'
  const controllers = new Map<DtNode, L2Place>()
  for (const node of nodes) {
    if (!isA(node, L2_CONTROLLER)) continue
    const place = controllerPlace(node)
    // DEVIATION: controllers behind controllers are not used: nothing here is on them.
    const parent = tree.byPhandle(node.cell('interrupt-parent') ?? -1)
    if (place === null || parent !== processor) continue
    log(`irq_bcm7120_l2: registered BCM3380 L2 intc (${place.path}, parent IRQ(s): 1)`)
    controllers.set(node, place)
  }
  return {
    tree,
    controllers,
    hostBridges: nodes
      .filter((node) => isA(node, ECAM_HOST_BRIDGE))
      .flatMap((node) => readEcamHostBridge(tree, node, log) ?? []),
    devices: readTreeDevices(tree, nodes, log, (node) => wireOf(tree, node, controllers)),
  }
}

/** Registers come in pairs, enable and status, a pair a word. Null without any. */
function controllerPlace(node: DtNode): L2Place | null {
  const registers = places(node)
  const input = node.cell('interrupts')
  if (registers.length < 2 || input === undefined) return null
  const words = Array.from({ length: Math.min(Math.floor(registers.length / 2), MOST_WORDS) }, (_, word) => ({
    enable: registers[2 * word]!.base,
    status: registers[2 * word + 1]!.base,
  }))
  return { input, words, path: pathOf(node) }
}

/** A level at one of the controllers' inputs. */
function wireOf(tree: DeviceTree, node: DtNode, controllers: MipsPlatform['controllers']): WireInterrupt | null {
  const parent = interruptParent(tree, node)
  const number = parent === undefined ? null : numberOf(controllers, parent, node.cell('interrupts') ?? -1)
  return number === null ? null : { number, trigger: 'level' }
}
