import type { Properties } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import type { DeviceDescription, MachineDescription } from '../description.ts'
import { refusePlace } from './placed-bus.ts'

/** `numa_node` where nobody gives one: on an expander, and on a host bridge of a pseries. */
const UNASSIGNED = [0xffff, 0xffff_ffff]

/**
 * A host bridge is of a NUMA node that there is, or of none (QEMU's `pxb_dev_realize_common` and `spapr_phb_realize`).
 *
 * @throws DmascopeError MACHINE_PLUG in QEMU's words
 */
export function checkNumaNode(
  device: DeviceDescription,
  model: DeviceModel,
  { numa_node: given }: Properties,
  machine: MachineDescription,
): void {
  if (given === undefined || UNASSIGNED.includes(Number(given))) return
  const node = Number(given)
  const nodes = numaNodes(machine)
  const hint = nodes.length === 0 ? '; leave numa_node out, or add -numa node' : `; there are ${nodes.join(', ')}`
  if (model.kind === 'pci-host') {
    if (nodes.includes(node)) return
    throw refusePlace('MACHINE_PLUG', device, `Invalid NUMA node ID for PCI host bridge${hint}`)
  }
  // An expander is content with a number that is less than how many there are.
  if (node >= nodes.length) throw refusePlace('MACHINE_PLUG', device, `Illegal numa node ${node}${hint}`)
}

/** A pseries has a node in any case, others where memory may be plugged in (QEMU's `auto_enable_numa`). */
function numaNodes({
  machine,
  numaNodes: given = [],
  memory,
  maxMemory = memory,
}: MachineDescription): readonly number[] {
  return given.length > 0 || !(machine === 'pseries' || maxMemory > memory) ? given : [0]
}
