import { buildGtdt, buildPptt, PPTT_FIRST, type PpttRecord } from '@dmascope/acpi'
import { qemuHeader } from '../firmware/qemu-header.ts'
import { VIRT_INTID } from './memory-map.ts'
import { hasVirtualEl2Timer, type VirtFacts } from './virt-facts.ts'

/** No memory-mapped counter. */
const NO_FRAME = '0xffffffffffffffff'
/** Timer flags: level-triggered, active high; and it runs on while its processor sleeps. */
const LEVEL_TRIGGERED = 0
const ALWAYS_ON = 1 << 2

/** QEMU's `build_gtdt`: timers of a processor. None is shared. */
export function virtGtdt(facts: VirtFacts): Uint8Array {
  const older = facts.qemuVersion === '7.2'
  return buildGtdt({
    signature: 'GTDT',
    header: qemuHeader(older ? 2 : 3),
    cntControlBasePhysicalAddress: NO_FRAME,
    secureEl1TimerGsiv: VIRT_INTID.secureTimer,
    secureEl1TimerFlags: LEVEL_TRIGGERED,
    nonSecureEl1TimerGsiv: VIRT_INTID.timer,
    nonSecureEl1TimerFlags: ALWAYS_ON,
    virtualEl1TimerGsiv: VIRT_INTID.virtualTimer,
    virtualEl1TimerFlags: LEVEL_TRIGGERED,
    el2TimerGsiv: VIRT_INTID.hypervisorTimer,
    el2TimerFlags: LEVEL_TRIGGERED,
    cntReadBasePhysicalAddress: NO_FRAME,
    platformTimerCount: 0,
    platformTimerOffset: 0,
    ...(!older && {
      virtualEl2TimerGsiv: hasVirtualEl2Timer(facts) ? VIRT_INTID.hypervisorVirtualTimer : 0,
      virtualEl2TimerFlags: LEVEL_TRIGGERED,
    }),
    platformTimers: [],
  })
}

const NODE_SIZE = 20
/** Flags of a processor hierarchy node. */
const PACKAGE = 1
const ID_VALID = 2
const THREAD = 4
const LEAF = 8
const IDENTICAL = 16

/**
 * QEMU's `build_pptt`: sockets, clusters, cores, threads. Newer releases have a root above the sockets, and clusters
 * only where the command line speaks of them; older ones have clusters always.
 */
export function virtPptt({ qemuVersion, maxCpus, topology }: VirtFacts): Uint8Array {
  const older = qemuVersion === '7.2'
  const { clusters, cores, threads } = topology
  const records: PpttRecord[] = []
  let next = PPTT_FIRST
  const add = (flags: number, parent: number, acpiProcessorId: number): number => {
    const at = next
    records.push({ kind: 'processor', flags, parent, acpiProcessorId, privateResources: [] })
    next += NODE_SIZE
    return at
  }
  const inner = older ? 0 : IDENTICAL
  const root = older ? 0 : add(PACKAGE | IDENTICAL, 0, 0)
  const ofCluster = cores * threads
  const ofSocket = (clusters ?? 1) * ofCluster
  let socket = 0
  let cluster = 0
  let core = 0
  for (let index = 0; index < maxCpus; index++) {
    if (index % ofSocket === 0) socket = add(PACKAGE | inner, root, index / ofSocket)
    if (index % ofCluster === 0) {
      const number = (index % ofSocket) / ofCluster
      cluster = older || clusters !== undefined ? add(inner, socket, number) : socket
    }
    if (threads === 1) {
      add(ID_VALID | LEAF, cluster, index)
      continue
    }
    if (index % threads === 0) core = add(inner, cluster, (index % ofCluster) / threads)
    add(ID_VALID | THREAD | LEAF, core, index)
  }
  return buildPptt({ signature: 'PPTT', header: qemuHeader(2), records })
}
