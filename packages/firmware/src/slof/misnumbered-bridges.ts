import type { DeviceTree, DtNode } from '@dmascope/devicetree'

/** Class code of a bridge to another PCI bus, without the programming interface. */
const PCI_BRIDGE = 0x0604
const INTERFACE_BITS = 8

/**
 * SLOF counts bridges through all host bridges, and takes the count for the number of the bus behind one. QEMU numbers
 * the buses of each host bridge from 1 on. So where an earlier host bridge has bridges too, SLOF does not find the nodes
 * behind a later one's in the tree that answers ibm,client-architecture-support, and resets the machine, for ever
 * (`pci-bus-number` in SLOF's pci-bridge.fs, and `(fdt-fix-cas-node)` in its fdt.fs).
 *
 * @returns the name of the first node that is not found; null where all are
 */
export function findMisnumbered(tree: DeviceTree): string | null {
  let count = 0
  const visit = (bus: DtNode): string | null => {
    for (const node of [...bus.children].sort((a, b) => deviceOf(a) - deviceOf(b))) {
      if ((node.cell('class-code') ?? 0) >>> INTERFACE_BITS !== PCI_BRIDGE) continue
      const number = ++count
      const lost = node.children.find((child) => child.cells('reg').length > 0 && busOf(child) !== number)
      const found = lost?.name ?? visit(node)
      if (found !== null) return found
    }
    return null
  }
  for (const node of tree.root.children) {
    const found = node.string('device_type') === 'pci' ? visit(node) : null
    if (found !== null) return found
  }
  return null
}

/** phys.hi of a node's place: bus in bits 23:16, device and function below. */
const placeOf = (node: DtNode): number => node.cells('reg')[0] ?? 0
const busOf = (node: DtNode): number => (placeOf(node) >>> 16) & 0xff
const deviceOf = (node: DtNode): number => (placeOf(node) >>> 8) & 0xff
