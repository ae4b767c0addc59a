import type { DtNode, PropertyInput } from '@dmascope/devicetree'
import { built, LEVEL_HIGH, type Phandles, PPI } from './tree-node.ts'
import { affinityOf, type VirtFacts } from './virt-facts.ts'

/** Private interrupts in the binding's numbers: 16 less than the GIC's. */
const TIMERS = [13, 14, 11, 10]
const PERFORMANCE_MONITOR = 7

/** PSCI function IDs; those of 64 bits have bit 30. */
const CPU_SUSPEND = 0xc400_0001
const CPU_OFF = 0x8400_0002
const CPU_ON = 0xc400_0003
const MIGRATE = 0xc400_0005

/** GICv2 says in bits [15:8] which processors a private interrupt is for. */
const privateFlags = ({ gic, cpus }: VirtFacts): number =>
  gic === 2 ? LEVEL_HIGH | (((1 << Math.min(cpus, 8)) - 1) << 8) : LEVEL_HIGH

/** `/cpus`, with the map of one socket and one cluster. */
export function cpusNode(facts: VirtFacts, phandles: Phandles): DtNode {
  const nodes: DtNode[] = []
  const maps: DtNode[] = []
  for (let index = facts.cpus - 1; index >= 0; index--) {
    const phandle = phandles.take()
    nodes.push(
      built(`cpu@${index}`, [
        ['device_type', 'cpu'],
        ['compatible', facts.cpu.compatible],
        ...(facts.cpus > 1 ? [['enable-method', 'psci'] as const] : []),
        ['reg', affinityOf(index, facts.gic)],
        ['phandle', phandle],
        ...cacheProperties(facts),
      ]),
    )
    maps.push(built(`core${index}`, [['cpu', phandle]]))
  }
  const map = built('cpu-map', [], [built('socket0', [], [built('cluster0', [], maps)])])
  return built(
    'cpus',
    [
      ['#address-cells', 1],
      ['#size-cells', 0],
    ],
    [...nodes, map],
  )
}

/** Newer releases describe the first-level caches, and name no second level. */
function cacheProperties({ qemuVersion, cpu }: VirtFacts): readonly (readonly [string, PropertyInput])[] {
  if (qemuVersion === '7.2' || cpu.caches === undefined) return []
  const { data, instruction } = cpu.caches
  const of = (letter: string, cache: typeof data): (readonly [string, PropertyInput])[] => [
    [`${letter}-cache-block-size`, cache.lineSize],
    [`${letter}-cache-size`, cache.size],
    [`${letter}-cache-sets`, cache.sets],
  ]
  return [...of('d', data), ...of('i', instruction), ['next-level-cache', 0]]
}

export const timerNode = (facts: VirtFacts): DtNode =>
  built('timer', [
    ['compatible', ['arm,armv8-timer', 'arm,armv7-timer']],
    ['always-on', true],
    ['interrupts', TIMERS.flatMap((number) => [PPI, number, privateFlags(facts)])],
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
