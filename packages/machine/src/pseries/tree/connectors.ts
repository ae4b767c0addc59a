import { hashOrder } from './hash-order.ts'
import type { TreeNode } from './tree-node.ts'

/** Kinds of dynamic reconfiguration connectors (LoPAPR §13.5), with QEMU's numbers for their indexes. */
const KINDS = {
  cpu: { type: 1, prefix: 'CPU ', name: 'CPU' },
  phb: { type: 2, prefix: 'PHB ', name: 'PHB' },
  pci: { type: 4, prefix: 'C', name: '28' },
  memory: { type: 8, prefix: 'LMB ', name: 'MEM' },
} as const

export type ConnectorKind = keyof typeof KINDS

/** What may be plugged in later, and where: `owner` is a host bridge or a bridge below one, empty for the platform. */
export interface Connector {
  readonly kind: ConnectorKind
  readonly id: number
  readonly owner: string
}

export const connectorIndex = (kind: ConnectorKind, id: number): number =>
  ((KINDS[kind].type << 28) | (id & 0x0fff_ffff)) >>> 0

/** Slots and functions of a bus. `chassis` is 0 on a root bus. */
export const pciConnectorId = (bridgeIndex: number, chassis: number, devfn: number): number =>
  (bridgeIndex << 16) | (chassis << 8) | devfn

/** In the order in which a guest gets to see them, whatever the order of creation. */
export function orderConnectors(created: readonly Connector[]): Connector[] {
  const byName = new Map(created.map((one) => [connectorIndex(one.kind, one.id).toString(16), one]))
  return hashOrder(byName.keys()).map((name) => byName.get(name)!)
}

/** ibm,drc-indexes and what goes with it, for the connectors of one owner; nothing where there are none. */
export function setConnectors(
  node: TreeNode,
  ordered: readonly Connector[],
  owner: string,
  kinds: readonly ConnectorKind[],
): void {
  const listed = ordered.filter((one) => one.owner === owner && kinds.includes(one.kind))
  if (listed.length === 0) return
  node.set('ibm,drc-indexes', [listed.length, ...listed.map(({ kind, id }) => connectorIndex(kind, id))])
  node.set('ibm,drc-power-domains', [listed.length, ...listed.map(() => 0xffff_ffff)])
  node.set('ibm,drc-names', countedTexts(listed.map(({ kind, id }) => `${KINDS[kind].prefix}${id}`)))
  node.set('ibm,drc-types', countedTexts(listed.map(({ kind }) => KINDS[kind].name)))
}

/** A cell that counts them, then texts with their NULs. */
function countedTexts(texts: readonly string[]): Uint8Array {
  const joined = new TextEncoder().encode(texts.map((text) => `${text}\0`).join(''))
  const bytes = new Uint8Array(4 + joined.length)
  new DataView(bytes.buffer).setUint32(0, texts.length)
  bytes.set(joined, 4)
  return bytes
}
