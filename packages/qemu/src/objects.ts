import { parseSize } from '@dmascope/machine'
import type { Collected, Entry } from './collected.ts'
import { textOf } from './key-value.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

const words = (list: string): readonly string[] => list.trim().split(/\s+/)

const MEMORY = words(`size merge dump prealloc prealloc-threads prealloc-context share reserve host-nodes policy
  x-use-canonical-path-for-ramblock-id`)
const TLS = words('dir endpoint verify-peer priority sanity-check')
const FILTER = words('netdev queue status position insert')
const CRYPTODEV = words('queues throttle-bps throttle-ops')
const SEV = words(`sev-device dh-cert-file session-file policy handle cbitpos reduced-phys-bits kernel-hashes
  legacy-vm-type host-data guest-visible-workarounds id-block id-auth author-key-enabled vcek-disabled policy`)

/** `-object` types and their properties. */
const OBJECTS: Readonly<Record<string, readonly string[]>> = {
  'rng-random': words('filename opened'),
  'rng-builtin': words('opened'),
  'rng-egd': words('chardev opened'),
  'memory-backend-ram': MEMORY,
  'memory-backend-file': [...MEMORY, ...words('mem-path align offset discard-data readonly rom pmem')],
  'memory-backend-memfd': [...MEMORY, ...words('hugetlb hugetlbsize seal')],
  'memory-backend-shm': MEMORY,
  'memory-backend-epc': MEMORY,
  iothread: words('poll-max-ns poll-grow poll-shrink poll-weight aio-max-batch thread-pool-min thread-pool-max'),
  'main-loop': words('aio-max-batch thread-pool-min thread-pool-max'),
  'thread-context': words('cpu-affinity node-affinity thread-id'),
  secret: words('data file format keyid iv loaded'),
  secret_keyring: words('serial format keyid iv loaded'),
  'tls-creds-anon': TLS,
  'tls-creds-psk': [...TLS, 'username'],
  'tls-creds-x509': [...TLS, 'passwordid'],
  'tls-cipher-suites': TLS,
  'authz-list': words('policy rules'),
  'authz-listfile': words('filename refresh'),
  'authz-pam': words('service'),
  'authz-simple': words('identity'),
  'cryptodev-backend': CRYPTODEV,
  'cryptodev-backend-builtin': CRYPTODEV,
  'cryptodev-backend-lkcf': CRYPTODEV,
  'cryptodev-vhost-user': [...CRYPTODEV, 'chardev'],
  'filter-buffer': [...FILTER, 'interval'],
  'filter-dump': [...FILTER, 'file', 'maxlen'],
  'filter-mirror': [...FILTER, 'outdev', 'vnet_hdr_support'],
  'filter-redirector': [...FILTER, 'indev', 'outdev', 'vnet_hdr_support'],
  'filter-rewriter': [...FILTER, 'vnet_hdr_support'],
  'filter-replay': FILTER,
  'colo-compare': words(
    'primary_in secondary_in outdev iothread notify_dev compare_timeout expired_scan_cycle max_queue_size vnet_hdr_support',
  ),
  'throttle-group': words('limits x-iops-total x-bps-total x-iops-read x-bps-read x-iops-write x-bps-write'),
  'pr-manager-helper': words('path'),
  'input-linux': words('evdev grab_all repeat grab-toggle'),
  'input-barrier': words('name server port x-origin y-origin width height'),
  'dbus-vmstate': words('addr id-list'),
  qtest: words('chardev log'),
  'can-bus': [],
  'can-host-socketcan': words('canbus if'),
  iommufd: words('fd'),
  'acpi-generic-initiator': words('pci-dev node'),
  'acpi-generic-port': words('pci-bus node'),
  'x-remote-object': words('fd devid'),
  'x-vfio-user-server': words('socket device'),
  'vhost-user-backend': words('chardev'),
  'igvm-cfg': words('file'),
  'sev-guest': SEV,
  'sev-snp-guest': SEV,
  'pef-guest': [],
  's390-pv-guest': [],
  'tdx-guest': words('attributes sept-ve-disable mrconfigid mrowner mrownerconfig quote-generation-socket'),
}

/** Objects that are memory back ends, with their size; the others by their type alone. */
export interface ResolvedObject {
  readonly type: string
  /** Bytes, of a memory back end. */
  readonly size: number | null
  readonly place: Place
}

/** Every `-object` by id. @throws DmascopeError for what QEMU refuses of them */
export function resolveObjects(collected: Collected): Map<string, ResolvedObject> {
  const objects = new Map<string, ResolvedObject>()
  for (const entry of collected.entries.object) objects.set(...resolve(entry))
  return objects
}

function resolve({ id, pairs, place }: Entry): [string, ResolvedObject] {
  const type = textOf(pairs, 'qom-type')
  if (type === null) {
    throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'qom-type' is missing", { property: 'qom-type' })
  }
  const properties = Object.hasOwn(OBJECTS, type) ? OBJECTS[type] : undefined
  if (properties === undefined) {
    throw unknownName(
      'QEMU_VALUE',
      place,
      `Parameter 'qom-type' does not accept value '${type}'`,
      type,
      Object.keys(OBJECTS),
    )
  }
  if (id === null) throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'id' is missing", { property: 'id' })
  for (const key of pairs.keys()) {
    if (key === 'qom-type' || key === 'id' || properties.includes(key.split('.')[0]!)) continue
    throw unknownName('QEMU_BACKEND_PROPERTY', place, `Parameter '${key}' is unexpected`, key, properties)
  }
  return [id, { type, size: memorySize(type, textOf(pairs, 'size'), place), place }]
}

function memorySize(type: string, value: string | null, place: Place): number | null {
  if (!type.startsWith('memory-backend-')) return null
  const bytes = value === null ? 0 : parseSize(value)
  if (bytes !== null && bytes > 0) return bytes
  throw refusal(
    'QEMU_VALUE',
    place,
    value === null ? "can't create backend with size 0" : `Parameter 'size' expects a size, got '${value}'`,
  )
}
