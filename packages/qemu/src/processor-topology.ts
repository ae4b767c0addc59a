import type { MachineName, ProcessorTopology, QemuVersion } from '@dmascope/machine'
import { type Place, refusal } from './refusal.ts'

/** Levels of the processor topology, outermost first. */
export const TOPOLOGY_LEVELS = [
  'drawers',
  'books',
  'sockets',
  'dies',
  'clusters',
  'modules',
  'cores',
  'threads',
] as const
type Level = (typeof TOPOLOGY_LEVELS)[number]

const EVERYWHERE: readonly Level[] = ['sockets', 'cores', 'threads']
const PC: Readonly<Record<QemuVersion, readonly Level[]>> = {
  '7.2': [...EVERYWHERE, 'dies'],
  '11.1': [...EVERYWHERE, 'dies', 'modules'],
}
/** Levels that the older release has no word for. */
const NEWER: readonly Level[] = ['drawers', 'books', 'modules']

/** What `-smp` says: numbers above 0; a level that it leaves out is null. */
export interface WrittenTopology {
  readonly cpus: number | null
  readonly most: number | null
  readonly levels: Readonly<Record<Level, number | null>>
}

/** Processors at boot, with all that may be plugged in later, and how they hang together. */
export interface Processors {
  readonly cpus: number
  readonly most: number
  readonly topology: ProcessorTopology
}

/**
 * QEMU's `machine_parse_smp_config`: what `-smp` leaves out follows from the rest. Processors are cores before they are
 * sockets, unless the machine type is of before 6.2.
 *
 * @throws DmascopeError QEMU_SMP in QEMU's words
 */
export function completeTopology(
  written: WrittenTopology,
  machine: MachineName,
  version: QemuVersion,
  prefersSockets: boolean,
  place: Place,
): Processors {
  const supported = supportedLevels(machine, version)
  for (const level of TOPOLOGY_LEVELS) {
    const value = written.levels[level]
    if (value === null || supported.includes(level)) continue
    if (version === '7.2' && NEWER.includes(level))
      throw refusal('QEMU_SMP', place, `Parameter 'smp.${level}' is unexpected`)
    if (value > 1) {
      const which = version === '7.2' ? level : `${level} > 1`
      throw refusal('QEMU_SMP', place, `${which} not supported by this machine's CPU topology`, { [level]: value })
    }
  }
  const inner = (level: Level): number => written.levels[level] ?? 1
  const others = inner('drawers') * inner('books') * inner('dies') * inner('clusters') * inner('modules')
  let { sockets, cores, threads } = written.levels
  let most = written.most ?? written.cpus
  if (most === null) {
    sockets ??= 1
    cores ??= 1
    threads ??= 1
  } else if (prefersSockets && sockets === null) {
    cores ??= 1
    threads ??= 1
    sockets = Math.floor(most / (others * cores * threads))
  } else if (cores === null) {
    sockets ??= 1
    threads ??= 1
    cores = Math.floor(most / (others * sockets * threads))
  } else if (sockets === null) {
    threads ??= 1
    sockets = Math.floor(most / (others * cores * threads))
  }
  threads ??= Math.floor((most ?? 1) / (others * (sockets ?? 1) * (cores ?? 1)))
  const whole: Record<Level, number> = {
    ...countsOf(written.levels),
    sockets: sockets ?? 1,
    cores: cores ?? 1,
    threads,
  }
  const total = TOPOLOGY_LEVELS.reduce((product, level) => product * whole[level], 1)
  most ??= total
  const cpus = written.cpus ?? most
  const hierarchy = TOPOLOGY_LEVELS.filter((level) => supported.includes(level))
    .map((level) => `${level} (${whole[level]})`)
    .join(' * ')
  if (total !== most) {
    const rule = 'product of the hierarchy must match maxcpus'
    throw refusal('QEMU_SMP', place, `Invalid CPU topology: ${rule}: ${hierarchy} != maxcpus (${most})`, { most })
  }
  if (most < cpus) {
    const rule = 'maxcpus must be equal to or greater than smp'
    const sides = `${hierarchy} == maxcpus (${most}) < smp_cpus (${cpus})`
    throw refusal('QEMU_SMP', place, `Invalid CPU topology: ${rule}: ${sides}`, { cpus, most })
  }
  const { dies, clusters, modules } = written.levels
  return {
    cpus,
    most,
    topology: {
      sockets: whole.sockets,
      ...(dies !== null && { dies }),
      ...(clusters !== null && { clusters }),
      ...(modules !== null && { modules }),
      cores: whole.cores,
      threads: whole.threads,
    },
  }
}

/** Cores of one socket, and no level besides. */
export const isPlain = ({ topology }: Processors): boolean =>
  topology.sockets === 1 &&
  topology.threads === 1 &&
  [topology.dies, topology.clusters, topology.modules].every((count) => count === undefined)

const countsOf = (levels: WrittenTopology['levels']): Record<Level, number> =>
  Object.fromEntries(TOPOLOGY_LEVELS.map((level) => [level, levels[level] ?? 1])) as Record<Level, number>

function supportedLevels(machine: MachineName, version: QemuVersion): readonly Level[] {
  if (machine === 'virt') return [...EVERYWHERE, 'clusters']
  return machine === 'q35' || machine === 'pc' ? PC[version] : EVERYWHERE
}
