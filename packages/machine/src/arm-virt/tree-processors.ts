import type { DtNode, PropertyInput } from '@dmascope/devicetree'
import { built, LEVEL_HIGH, type Phandles, PPI } from './tree-node.ts'
import { isTypeBefore } from './type-version.ts'
import { affinityOf, hasVirtualEl2Timer, type VirtFacts } from './virt-facts.ts'

/** Private interrupts in the binding's numbers: 16 less than the GIC's. */
const TIMERS = [13, 14, 11, 10]
const VIRTUAL_EL2_TIMER = 12
const PERFORMANCE_MONITOR = 7

/** PSCI function IDs; those of 64 bits have bit 30. */
const CPU_SUSPEND = 0xc400_0001
const CPU_OFF = 0x8400_0002
const CPU_ON = 0xc400_0003
const MIGRATE = 0xc400_0005

/** GICv2 says in bits [15:8] which processors a private interrupt is for. */
const privateFlags = ({ gic, cpus }: VirtFacts): number =>
  gic === 2 ? LEVEL_HIGH | (((1 << Math.min(cpus, 8)) - 1) << 8) : LEVEL_HIGH

/**
 * `/cpus`, with the map of sockets, clusters, cores and threads. Types up to 6.1 have no map, and in older
 * releases no phandles for it.
 */
export function cpusNode(facts: VirtFacts, phandles: Phandles): DtNode {
  const mapped = !isTypeBefore(facts.type, [6, 2])
  const nodes: DtNode[] = []
  const handles: number[] = []
  for (let index = facts.cpus - 1; index >= 0; index--) {
    const phandle = mapped || facts.qemuVersion !== '7.2' ? phandles.take() : null
    if (phandle !== null) handles[index] = phandle
    nodes.push(
      built(`cpu@${index}`, [
        ['device_type', 'cpu'],
        ['compatible', facts.cpu.compatible],
        ...(facts.cpus > 1 ? [['enable-method', 'psci'] as const] : []),
        ['reg', affinityOf(index, facts.gic)],
        ...(phandle === null ? [] : [['phandle', phandle] as const]),
        ...cacheProperties(facts),
      ]),
    )
  }
  return built(
    'cpus',
    [
      ['#address-cells', 1],
      ['#size-cells', 0],
    ],
    mapped ? [...nodes, cpuMap(facts, handles)] : nodes,
  )
}

/** Made from the last processor down, each with the nodes above it that are not there yet. */
function cpuMap({ cpus, topology }: VirtFacts, phandles: readonly number[]): DtNode {
  const { clusters = 1, cores, threads } = topology
  const ofCluster = cores * threads
  const ofSocket = clusters * ofCluster
  const level = (first: number, count: number, size: number, name: string, inner: (first: number) => DtNode[]) =>
    Array.from({ length: Math.ceil(count / size) }, (_, index) => Math.ceil(count / size) - 1 - index).map((index) =>
      built(`${name}${index}`, [], inner(first + index * size)),
    )
  const left = (first: number, size: number): number => Math.min(size, cpus - first)
  const leaf = (name: string, cpu: number): DtNode => built(name, [['cpu', phandles[cpu]!]])
  const coreNodes = (first: number): DtNode[] =>
    threads === 1
      ? Array.from({ length: left(first, ofCluster) }, (_, index) => left(first, ofCluster) - 1 - index).map((index) =>
          leaf(`core${index}`, first + index),
        )
      : level(first, left(first, ofCluster), threads, 'core', (core) =>
          Array.from({ length: left(core, threads) }, (_, index) => left(core, threads) - 1 - index).map((index) =>
            leaf(`thread${index}`, core + index),
          ),
        )
  return built(
    'cpu-map',
    [],
    level(0, cpus, ofSocket, 'socket', (socket) =>
      level(socket, left(socket, ofSocket), ofCluster, 'cluster', coreNodes),
    ),
  )
}

/** Newer releases describe the first-level caches, and name no second level. */
function cacheProperties({ qemuVersion, cpu, type }: VirtFacts): readonly (readonly [string, PropertyInput])[] {
  if (qemuVersion === '7.2') return []
  const none = ['next-level-cache', 0] as const
  if (isTypeBefore(type, [6, 2])) return [none]
  const { data, instruction } = cpu.caches
  const of = (letter: string, cache: typeof data): (readonly [string, PropertyInput])[] => [
    [`${letter}-cache-block-size`, cache.lineSize],
    [`${letter}-cache-size`, cache.size],
    [`${letter}-cache-sets`, cache.sets],
  ]
  return [...of('d', data), ...of('i', instruction), none]
}

const timersOf = (facts: VirtFacts): readonly number[] =>
  hasVirtualEl2Timer(facts) ? [...TIMERS, VIRTUAL_EL2_TIMER] : TIMERS

export const timerNode = (facts: VirtFacts): DtNode =>
  built('timer', [
    ['compatible', ['arm,armv8-timer', 'arm,armv7-timer']],
    ['always-on', true],
    ['interrupts', timersOf(facts).flatMap((number) => [PPI, number, privateFlags(facts)])],
  ])

export const performanceMonitorNode = (facts: VirtFacts): DtNode =>
  built('pmu', [
    ['compatible', 'arm,armv8-pmuv3'],
    ['interrupts', [PPI, PERFORMANCE_MONITOR, privateFlags(facts)]],
  ])

export const psciNode = ({ virtualization }: VirtFacts): DtNode =>
  built('psci', [
    ['compatible', ['arm,psci-1.0', 'arm,psci-0.2', 'arm,psci']],
    ['method', virtualization ? 'smc' : 'hvc'],
    ['cpu_suspend', CPU_SUSPEND],
    ['cpu_off', CPU_OFF],
    ['cpu_on', CPU_ON],
    ['migrate', MIGRATE],
  ])
