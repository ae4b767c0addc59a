import { type MachineName, parseSize } from '@dmascope/machine'
import type { Collected, NumaNode } from './collected.ts'
import { type Pairs, textOf } from './key-value.ts'
import type { ResolvedObject } from './objects.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

const MiB = 1024 * 1024
/** QEMU's MAX_NODES. */
const MOST_NODES = 128

/** Where memory lies changes no DMA; but expanders and host bridges must be of a node that there is. */
export function numa(collected: Collected, pairs: Pairs, place: Place): void {
  collected.ignored.push(place.written)
  if (textOf(pairs, 'type') !== 'node') return
  const given = textOf(pairs, 'nodeid')
  const node = given === null ? collected.numaNodes.length : Number(given)
  if (!Number.isInteger(node) || node < 0 || node >= MOST_NODES) {
    throw refusal('QEMU_NUMA', place, `Max number of NUMA nodes reached: ${given}; write nodeid=0 to 127`, {
      nodeid: given,
    })
  }
  if (collected.numaNodes.some((other) => other.node === node)) {
    throw refusal('QEMU_NUMA', place, `Duplicate NUMA nodeid: ${node}`, { nodeid: node })
  }
  collected.numaNodes.push({ node, backend: textOf(pairs, 'memdev'), memory: textOf(pairs, 'mem'), place })
}

/**
 * The numbers of the nodes, between which all memory is divided (QEMU's `numa_complete_configuration`).
 *
 * @throws DmascopeError QEMU_NUMA in QEMU's words
 */
export function numaNodes(
  { numaNodes: nodes }: Collected,
  objects: ReadonlyMap<string, ResolvedObject>,
  machine: MachineName,
  memory: number,
): readonly number[] {
  const [first] = nodes
  if (first === undefined) return []
  const total = nodes.reduce((sum, node) => sum + sizeOf(node, objects, machine), 0)
  if (total === memory) return nodes.map(({ node }) => node)
  throw refusal(
    'QEMU_NUMA',
    first.place,
    `total memory for NUMA nodes (0x${total.toString(16)}) should equal RAM size (0x${memory.toString(16)}); write -object memory-backend-ram,id=m0,size=${memory / MiB}M -numa node,memdev=m0`,
    { total, memory },
  )
}

function sizeOf(
  { backend, memory, place }: NumaNode,
  objects: ReadonlyMap<string, ResolvedObject>,
  machine: MachineName,
): number {
  if (backend !== null) {
    const size = objects.get(backend)?.size
    if (size != null) return size
    throw unknownName('QEMU_NUMA', place, `memdev=${backend} is ambiguous or no memory back end`, backend, [
      ...objects.keys(),
    ])
  }
  if (memory === null) return 0
  const size = machine === 'pseries' ? parseSize(memory, MiB) : null
  if (size !== null) return size
  throw refusal(
    'QEMU_NUMA',
    place,
    'Parameter -numa node,mem is not supported by this machine type; write -numa node,memdev=<id of a memory back end>',
    { mem: memory },
  )
}
