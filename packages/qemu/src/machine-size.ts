import { type MachineName, parseInteger, parseSize, type QemuVersion } from '@dmascope/machine'
import type { Collected } from './collected.ts'
import { textOf } from './key-value.ts'
import { isBefore, type MachineType } from './machine-types.ts'
import type { ResolvedObject } from './objects.ts'
import { completeTopology, type Processors, TOPOLOGY_LEVELS, type WrittenTopology } from './processor-topology.ts'
import { refusal, unknownName } from './refusal.ts'

const MiB = 1024 * 1024

/** QEMU's own when neither -m nor a memory back end says otherwise. */
export const DEFAULT_MEMORY: Readonly<Record<MachineName, number>> = {
  q35: 128 * MiB,
  pc: 128 * MiB,
  microvm: 128 * MiB,
  virt: 128 * MiB,
  pseries: 512 * MiB,
  powernv9: 1024 * MiB,
  sun4u: 128 * MiB,
  ppce500: 128 * MiB,
  mac99: 128 * MiB,
  's390-ccw-virtio': 128 * MiB,
}

/** QEMU rounds RAM up to this. */
const MEMORY_ALIGNMENT = 8 * 1024

const MEMORY_KEYS = ['size', 'slots', 'maxmem']

/** Bytes of RAM, and with all that may be plugged in later. */
export interface MemorySizes {
  readonly memory: number
  /** `maxmem`; null where it is not given. */
  readonly most: number | null
}

/** Bytes of RAM: `-m`, where a number without suffix counts MiB, or `memory-backend=`. @throws DmascopeError */
export function memorySize(
  collected: Collected,
  objects: ReadonlyMap<string, ResolvedObject>,
  machine: MachineName,
): MemorySizes {
  const byDefault = DEFAULT_MEMORY[machine]
  const { values: memory, place } = collected.memory
  for (const key of memory.keys()) {
    if (!MEMORY_KEYS.includes(key)) {
      throw unknownName('QEMU_MEMORY', place, `Invalid parameter '${key}'`, key, MEMORY_KEYS)
    }
  }
  const given = textOf(memory, 'size')
  const size = given === null ? null : parseSize(given, MiB)
  if (given !== null && size === null) {
    throw refusal('QEMU_MEMORY', place, `Parameter 'size' expects a size such as 512, 512M or 2G, got '${given}'`, {
      value: given,
    })
  }
  const rounded = size === null || size === 0 ? null : Math.ceil(size / MEMORY_ALIGNMENT) * MEMORY_ALIGNMENT
  const most = textOf(memory, 'maxmem')
  const limit = most === null ? null : parseSize(most, MiB)
  if (most !== null && (limit === null || limit < (rounded ?? byDefault))) {
    throw refusal(
      'QEMU_MEMORY',
      place,
      `invalid value of maxmem: '${most}' is no size, or less than the initial memory`,
      {
        value: most,
      },
    )
  }
  const backend = textOf(collected.machine.values, 'memory-backend')
  if (backend === null) return { memory: rounded ?? byDefault, most: limit }
  const object = objects.get(backend)
  if (object?.size == null) {
    throw unknownName(
      'QEMU_BACKEND',
      collected.machine.placeOf('memory-backend'),
      `Memory backend '${backend}' not found`,
      backend,
      [...objects.keys()],
    )
  }
  if (rounded !== null && rounded !== object.size) {
    throw refusal('QEMU_MEMORY', place, 'Machine memory size does not match the size of the memory backend', {
      memory: rounded,
      backend: object.size,
    })
  }
  return { memory: object.size, most: limit }
}

const MAX_CPUS: Readonly<Record<QemuVersion, Readonly<Record<MachineName, number>>>> = {
  '7.2': {
    q35: 288,
    pc: 255,
    microvm: 288,
    virt: 512,
    pseries: 1024,
    powernv9: 2048,
    ppce500: 32,
    mac99: 1,
    sun4u: 1,
    's390-ccw-virtio': 248,
  },
  '11.1': {
    q35: 4096,
    pc: 255,
    microvm: 288,
    virt: 512,
    pseries: 4096,
    powernv9: 2048,
    ppce500: 32,
    mac99: 1,
    sun4u: 1,
    's390-ccw-virtio': 248,
  },
}

/**
 * The processors of `-smp`.
 *
 * @param type - the machine type; those before 6.2 make sockets of processors before they make cores
 * @throws DmascopeError QEMU_SMP
 */
export function readProcessors(collected: Collected, type: MachineType, version: QemuVersion): Processors {
  const { machine } = type
  const { values: smp, place } = collected.smp
  const read = (key: string): number | null => {
    const value = textOf(smp, key)
    if (value === null) return null
    const number = parseInteger(value)
    if (number !== null && number > 0n && number < 100_000n) return Number(number)
    throw refusal('QEMU_SMP', place, `Parameter '${key}' expects a number of at least 1, got '${value}'`, {
      key,
      value,
    })
  }
  const known = ['cpus', 'maxcpus', ...TOPOLOGY_LEVELS]
  for (const key of smp.keys()) {
    if (!known.includes(key)) throw unknownName('QEMU_SMP', place, `Invalid parameter '${key}'`, key, known)
  }
  const levels = Object.fromEntries(TOPOLOGY_LEVELS.map((level) => [level, read(level)])) as WrittenTopology['levels']
  const written = { cpus: read('cpus'), most: read('maxcpus'), levels }
  const processors = completeTopology(written, machine, version, isBefore(type.compatible, [6, 2]), place)
  const { most } = processors
  if (most > MAX_CPUS[version][machine]) {
    throw refusal(
      'QEMU_SMP',
      place,
      `Invalid SMP CPUs ${most}. The max CPUs supported by machine '${machine}' is ${MAX_CPUS[version][machine]}`,
      { most },
    )
  }
  return processors
}
