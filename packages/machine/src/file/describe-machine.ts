import { DmascopeError } from '@dmascope/layout'
import { hasVirtioBuses } from '../build/virtio-buses.ts'
import { requireModel } from '../catalogue/catalogue.ts'
import { checkProperties } from '../catalogue/check-properties.ts'
import { checkMachineProperties } from '../catalogue/machine-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import { parsePciAddress, parseSize } from '../catalogue/property.ts'
import { missingProperty, ownBackend, plainBackend } from '../catalogue/requirements.ts'
import type {
  DeviceBackend,
  DeviceDescription,
  MachineDescription,
  ProcessorTopology,
  PropertyValue,
  QemuVersion,
} from '../description.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import { describeExternalPorts } from './describe-external-ports.ts'
import { describeFirmwareRegions } from './describe-firmware-regions.ts'
import { describeInbound } from './describe-inbound.ts'
import { describeMemorySystem } from './describe-memory-system.ts'
import { describeRestrictedPool } from './describe-restricted-pool.ts'
import { describeSegments } from './describe-segments.ts'
import { describeTables, type ReadTable } from './describe-tables.ts'
import { describeXen } from './describe-xen.ts'
import type { Places } from './places.ts'
import type { DeviceContent, MachineFileContent } from './schema.ts'

const MiB = 1024 * 1024

/** RAM where a machine file does not say. */
export const DEFAULT_FILE_MEMORY = 512 * MiB

export interface DescribeOptions {
  /** The QEMU release, where the content names none. */
  readonly qemuVersion: QemuVersion
  readonly source: 'preset' | 'file'
  /** The name, where the content has none. */
  readonly name?: string
  /** Reads tables from the files that the content names. */
  readonly readTable?: ReadTable
}

const DEVICE_KEYS = new Set(['model', 'id', 'bus', 'addr', 'backend'])

/**
 * Turns the content of a machine file, its shape checked, into a machine description.
 *
 * @throws DmascopeError naming the place, for an unknown model, property or value, or a size that is none
 */
export function describeMachine(
  content: MachineFileContent,
  places: Places,
  options: DescribeOptions,
): MachineDescription {
  const qemuVersion =
    content.qemuVersion === undefined ? options.qemuVersion : (`${content.qemuVersion}` as QemuVersion)
  const ids = new Map<string, string>()
  const devices = (content.devices ?? []).map((device, index) => {
    const path = ['devices', index] as const
    if (device.id !== undefined) {
      const first = ids.get(device.id)
      if (first !== undefined) {
        throw new DmascopeError(
          'MACHINE_FILE_DUPLICATE_ID',
          `${places.where([...path, 'id'])}: Duplicate ID '${device.id}' for device; it stands first at ${first}`,
          { id: device.id },
        )
      }
      ids.set(device.id, places.where([...path, 'id']))
    }
    return describeDevice(device, path, places, qemuVersion)
  })
  const memory =
    content.memory === undefined ? DEFAULT_FILE_MEMORY : readSize(content.memory, MiB, places.where(['memory']))
  return {
    machine: content.machine,
    qemuVersion,
    name: content.name ?? options.name ?? content.machine,
    source: options.source,
    ...describeHypervisor(content, places),
    memory,
    ...(content.maxMemory !== undefined && {
      maxMemory: readSize(content.maxMemory, MiB, places.where(['maxMemory'])),
    }),
    cpus: content.cpus ?? 1,
    ...(content.maxCpus !== undefined && { maxCpus: content.maxCpus }),
    ...(content.topology !== undefined && { topology: checkTopology(content, places) }),
    ...(content.cpu !== undefined && { cpu: content.cpu }),
    ...(content.numaNodes !== undefined && { numaNodes: content.numaNodes }),
    defaultDevices: content.defaultDevices ?? false,
    machineProperties: checkMachineProperties(content.machineProperties ?? {}, (key) =>
      places.whereKey(['machineProperties', key]),
    ),
    ...describeHostBridge(content, places, qemuVersion),
    ...describeTransports(content, places, qemuVersion),
    ...describeSegments(content, places),
    ...describeMemorySystem(content, places),
    ...describeInbound(content, places),
    ...describeRestrictedPool(content, places),
    ...describeFirmwareRegions(content, places),
    ...describeExternalPorts(content, places),
    ...describeXen(content, memory, places),
    ...(content.launch !== undefined && { launch: content.launch }),
    ...describeTables(content, places, options.readTable),
    devices,
    append: content.append ?? '',
    ignored: [],
  }
}

function describeHypervisor(
  { hypervisor }: MachineFileContent,
  places: Places,
): Pick<MachineDescription, 'hypervisor'> {
  if (hypervisor === undefined) return {}
  try {
    return { hypervisor: requireHypervisor(hypervisor).name }
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    throw new DmascopeError(error.code, `${places.where(['hypervisor'])}: ${error.message}`, error.context)
  }
}

/** Levels make up all processors, as QEMU demands. */
function checkTopology({ topology, cpus = 1, maxCpus = cpus }: MachineFileContent, places: Places): ProcessorTopology {
  const { sockets, dies, clusters, modules, cores, threads } = topology!
  const product = sockets * (dies ?? 1) * (clusters ?? 1) * (modules ?? 1) * cores * threads
  if (product !== maxCpus) {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${places.whereKey(['topology'])}: sockets, dies, clusters, modules, cores and threads make ${product} processors, and there are ${maxCpus}; write maxCpus: ${product}, or other numbers`,
      { product, maxCpus },
    )
  }
  return {
    sockets,
    ...(dies !== undefined && { dies }),
    ...(clusters !== undefined && { clusters }),
    ...(modules !== undefined && { modules }),
    cores,
    threads,
  }
}

function describeHostBridge(
  { machine, hostBridge }: MachineFileContent,
  places: Places,
  version: QemuVersion,
): Pick<MachineDescription, 'hostBridge'> {
  if (hostBridge === undefined) return {}
  if (machine !== 'pseries') {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${places.whereKey(['hostBridge'])}: only the host bridge of a pseries has properties; leave it out`,
      { machine },
    )
  }
  const model = requireModel('spapr-pci-host-bridge', version, places.whereKey(['hostBridge']))
  return { hostBridge: checkProperties(model, hostBridge, version, (key) => places.whereKey(['hostBridge', key])) }
}

function describeTransports(
  { machine, virtioTransports }: MachineFileContent,
  places: Places,
  version: QemuVersion,
): Pick<MachineDescription, 'virtioTransports'> {
  if (virtioTransports === undefined) return {}
  const where = places.whereKey(['virtioTransports'])
  if (!hasVirtioBuses(machine)) {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${where}: only a virt, a microvm or a bcm3384 has virtio transports of its own; leave it out`,
      { machine },
    )
  }
  const place = (key: string): string => places.whereKey(['virtioTransports', key])
  return {
    virtioTransports: checkProperties(requireModel('virtio-mmio', version, where), virtioTransports, version, place),
  }
}

function readSize(value: string | number, unit: number, where: string): number {
  const bytes = parseSize(String(value), unit)
  if (bytes !== null && bytes > 0) return bytes
  throw new DmascopeError('MACHINE_FILE_VALUE', `${where}: expected a size such as 512M or 2G, got '${value}'`, {
    value,
  })
}

function describeDevice(
  device: DeviceContent,
  path: readonly PropertyKey[],
  places: Places,
  version: QemuVersion,
): DeviceDescription {
  const where = places.where(path)
  const model = requireModel(device.model, version, places.where([...path, 'model']))
  refuseBackendNames(model, device, path, places)
  const given: Record<string, PropertyValue> = {}
  for (const [key, value] of Object.entries(device)) {
    if (!DEVICE_KEYS.has(key)) given[key] = value as PropertyValue
  }
  const properties = checkProperties(model, given, version, (key) => places.whereKey([...path, key]))
  const missing = missingProperty(model, properties)
  if (missing !== null) {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${where}: ${missing.words}; write ${missing.names.join(': or ')}: ...`,
      { device: model.name, property: missing.names[0] },
    )
  }
  const addr = device.addr === undefined ? undefined : parsePciAddress(String(device.addr))
  if (addr === null) {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${places.where([...path, 'addr'])}: expected a PCI address such as 2 or '1f.2' in hexadecimal, got '${device.addr}'`,
      { addr: device.addr },
    )
  }
  const backend = describeBackend(model, device, path, places)
  return {
    model: model.name,
    ...(device.id === undefined ? {} : { id: device.id }),
    ...(device.bus === undefined ? {} : { bus: device.bus }),
    ...(addr === undefined ? {} : { addr }),
    properties,
    ...(backend === null ? {} : { backend }),
    location: { text: where },
  }
}

/** On a command line these name a back end by its id; a file has none to name. */
function refuseBackendNames(
  model: DeviceModel,
  device: DeviceContent,
  path: readonly PropertyKey[],
  places: Places,
): void {
  for (const { property, kind } of model.backends) {
    if (device[property] === undefined) continue
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${places.whereKey([...path, property])}: a machine file has no back ends by name; ` +
        `leave out '${property}'${kind === null ? '' : ', and write backend: {...} to say more of it'}`,
      { device: model.name, property },
    )
  }
}

function describeBackend(
  model: DeviceModel,
  device: DeviceContent,
  path: readonly PropertyKey[],
  places: Places,
): DeviceBackend | null {
  const plain = plainBackend(model)
  const { backend } = device
  if (backend === undefined) return plain
  const where = places.whereKey([...path, 'backend'])
  if (plain === null) {
    throw new DmascopeError('MACHINE_FILE_VALUE', `${where}: '${model.name}' has no back end; leave it out`, {
      device: model.name,
    })
  }
  if (plain.kind !== 'disk' && (backend.size !== undefined || backend.readOnly !== undefined)) {
    throw new DmascopeError('MACHINE_FILE_VALUE', `${where}: only a disk has size and readOnly`, { device: model.name })
  }
  const fixed = model.where ?? ownBackend(model)?.where
  if (backend.where !== undefined && fixed !== undefined && backend.where !== fixed) {
    throw new DmascopeError('MACHINE_FILE_VALUE', `${where}: where: '${model.name}' works by ${fixed} only`, {
      device: model.name,
    })
  }
  return {
    ...plain,
    where: backend.where ?? plain.where,
    ...(backend.size === undefined
      ? {}
      : { size: Math.ceil(readSize(backend.size, MiB, places.where([...path, 'backend', 'size'])) / 512) * 512 }),
    ...(backend.readOnly === undefined ? {} : { readOnly: backend.readOnly }),
  }
}
