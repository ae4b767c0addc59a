import { DEFAULT_DISK_SIZE, type DeviceBackend, parseSize } from '@dmascope/machine'
import type { Architecture } from './arguments.ts'
import type { Collected, Entry } from './collected.ts'
import { firstOf, type Pairs, switchOf, textOf } from './key-value.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

/** What null-co and null-aio are without `size=`. */
const NULL_SIZE = 1024 ** 3

/** A drive or a block node, resolved. */
export interface Drive {
  readonly id: string
  readonly backend: DeviceBackend
  readonly place: Place
  /** How the old syntax attaches it; `none` for -blockdev. */
  readonly interface: 'none' | 'virtio' | 'builtin'
  /** A node of -blockdev may be shared by two devices with share-rw=on. */
  readonly node: boolean
}

const INTERFACES = ['none', 'virtio', 'ide', 'scsi', 'floppy', 'pflash', 'mtd', 'sd', 'xen']

/** Those that none of the modelled machines has. */
const NOWHERE = ['mtd', 'sd', 'xen', 'scsi']

/** What a drive is that says nothing. */
const DEFAULT_INTERFACE: Readonly<Record<Architecture, string>> = {
  x86_64: 'ide',
  aarch64: 'virtio',
  ppc: 'ide',
  ppc64: 'ide',
  sparc64: 'ide',
  s390x: 'virtio',
}

/** Keys of `-drive` of its own; those of the block layer and of its drivers are below. */
const DRIVE_KEYS = [
  'bus',
  'unit',
  'index',
  'media',
  'if',
  'snapshot',
  'readonly',
  'file',
  'format',
  'cache',
  'copy-on-read',
  'werror',
  'rerror',
  'id',
  'serial',
  'group',
  'boot',
]

/** Keys of block nodes: the generic ones, and those of the drivers. */
const NODE_KEYS = new Set(
  `driver node-name discard read-only auto-read-only force-share detect-zeroes aio locking filename size offset backing
   read-zeroes latency-ns path host port server export tls-creds tls-hostname reconnect-delay open-timeout socket-id
   image pool namespace conf user key-secret auth-client-required encrypt encryption snapshot snap-id snap-name
   lazy-refcounts pass-discard-request pass-discard-snapshot pass-discard-other discard-no-unref overlap-check
   cache-size cache-clean-interval l2-cache-size l2-cache-entry-size refcount-cache-size data-file preallocation
   prealloc-align prealloc-size pr-manager drop-cache x-check-cache-dropped url readahead timeout username
   password-secret proxy-username proxy-password-secret cookie sslverify transport portal target lun user
   initiator-name header-digest chap host-key-check volume debug device config image-opts throttle-group throttling
   stats-account-invalid stats-account-failed stats-intervals iops iops_rd iops_wr iops_size bps bps_rd bps_wr
   iops_max iops_rd_max iops_wr_max bps_max bps_rd_max bps_wr_max cache fd mem-region-alignment uri socket
   queue-size log log-size log-append children vote-threshold rewrite-corrupted read-pattern bitmap on-cbw-error
   cbw-timeout bottom align max-transfer opt-write pivot nodes fat-type floppy label rw dir`.split(/\s+/),
)

const BLOCK_DRIVERS =
  `file host_device host_cdrom raw qcow2 qcow qed vmdk vdi vhdx vpc vvfat cloop bochs dmg parallels luks nbd iscsi nfs
   rbd ssh http https ftp ftps gluster sheepdog curl quorum throttle blkdebug blklogwrites blkverify blkreplay
   copy-on-read copy-before-write snapshot-access preallocate compress null-co null-aio nvme io_uring
   nvme-io_uring virtio-blk-vhost-user virtio-blk-vhost-vdpa virtio-blk-vfio-pci replication`.split(/\s+/)

/** Parts of dotted keys that are keys of nothing but what they stand below: `cache.direct`, `server.0.type`. */
const NESTED = ['direct', 'no-flush', 'writeback', 'type', 'inherit', 'filter', 'mode', 'template']

function checkKeys(pairs: Pairs, own: readonly string[], place: Place, option: string): void {
  const isKnown = (part: string, index: number): boolean =>
    NODE_KEYS.has(part) ||
    part === 'file' ||
    (index === 0 ? own.includes(part) : /^\d+$/.test(part) || NESTED.includes(part) || isThrottle(part))
  for (const key of pairs.keys()) {
    if (key.split('.').every(isKnown)) continue
    throw unknownName('QEMU_BACKEND_PROPERTY', place, `${option} does not support the option '${key}'`, key, [
      ...own,
      ...NODE_KEYS,
    ])
  }
}

const isThrottle = (part: string): boolean => /^(?:bps|iops)-(?:total|read|write|size)(?:-max(?:-length)?)?$/.test(part)

function driverOf(pairs: Pairs, place: Place): string | null {
  const driver = firstOf(pairs, 'driver', 'format')
  if (driver !== null && !BLOCK_DRIVERS.includes(driver)) {
    throw unknownName('QEMU_VALUE', place, `Unknown driver '${driver}'`, driver, BLOCK_DRIVERS)
  }
  return driver
}

/** A size that the options state, at the node itself or at the one below it; null where only the file would tell. */
function statedSize(pairs: Pairs, place: Place): number | null {
  for (const key of ['size', 'file.size', 'file.file.size']) {
    const value = textOf(pairs, key)
    if (value === null) continue
    const bytes = parseSize(value)
    if (bytes === null || bytes === 0) {
      throw refusal('QEMU_VALUE', place, `Parameter '${key}' expects a size such as 64M, got '${value}'`, {
        key,
        value,
      })
    }
    return Math.ceil(bytes / 512) * 512
  }
  const file = textOf(pairs, 'file') ?? ''
  const isNull =
    /^null-(?:co|aio):/.test(file) || ['driver', 'file.driver'].some((key) => /^null-/.test(textOf(pairs, key) ?? ''))
  return isNull ? NULL_SIZE : null
}

function fromDrive(entry: Entry, sequence: { next: number }, architecture: Architecture): Drive {
  const { pairs, place } = entry
  checkKeys(pairs, DRIVE_KEYS, place, '-drive')
  driverOf(pairs, place)
  const type = textOf(pairs, 'if') ?? DEFAULT_INTERFACE[architecture]
  if (!INTERFACES.includes(type)) {
    throw unknownName('QEMU_VALUE', place, `unsupported bus type '${type}'`, type, INTERFACES)
  }
  const absent = architecture === 'aarch64' ? [...NOWHERE, 'ide', 'floppy'] : NOWHERE
  if (absent.includes(type)) {
    throw refusal('QEMU_BACKEND', place, `machine type does not support if=${type},bus=0,unit=0`, { if: type })
  }
  const media = textOf(pairs, 'media') ?? 'disk'
  if (media !== 'disk' && media !== 'cdrom') {
    throw refusal('QEMU_VALUE', place, `'${media}' invalid media; it takes disk, cdrom`, { media })
  }
  const readOnly =
    media === 'cdrom' || switchOf(pairs, 'readonly', false, place) || switchOf(pairs, 'read-only', false, place)
  return {
    // QEMU makes up a name for a drive without an id, which nothing can refer to by accident.
    id: entry.id ?? `${type}${sequence.next++}`,
    backend: { kind: 'disk', where: 'qemu', size: statedSize(pairs, place) ?? DEFAULT_DISK_SIZE, readOnly },
    place,
    interface: type === 'none' ? 'none' : type === 'virtio' ? 'virtio' : 'builtin',
    node: false,
  }
}

function fromNode(entry: Entry, earlier: ReadonlyMap<string, Drive>): Drive {
  const { pairs, place } = entry
  if (entry.id === null) {
    throw refusal('QEMU_MISSING_PROPERTY', place, "'node-name' must be specified for the root node", {
      property: 'node-name',
    })
  }
  checkKeys(pairs, [], place, '-blockdev')
  if (driverOf(pairs, place) === null) {
    throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'driver' is missing", { property: 'driver' })
  }
  const below = textOf(pairs, 'file')
  const under = below === null ? undefined : earlier.get(below)
  if (below !== null && under === undefined) {
    throw unknownName('QEMU_BACKEND', place, `Cannot find device='' nor node-name='${below}'`, below, [
      ...earlier.keys(),
    ])
  }
  const readOnly = switchOf(pairs, 'read-only', under?.backend.readOnly ?? false, place)
  const size = statedSize(pairs, place) ?? under?.backend.size ?? DEFAULT_DISK_SIZE
  return {
    id: entry.id,
    backend: { kind: 'disk', where: 'qemu', size, readOnly },
    place,
    interface: 'none',
    node: true,
  }
}

/**
 * Every disk by its id: nodes of `-blockdev` in their order, then `-drive`.
 *
 * @throws DmascopeError for what QEMU refuses of them
 */
export function resolveDrives(collected: Collected): Map<string, Drive> {
  const drives = new Map<string, Drive>()
  const nodes = new Map<string, Drive>()
  for (const entry of collected.entries.blockdev) {
    const drive = fromNode(entry, nodes)
    nodes.set(drive.id, drive)
    drives.set(drive.id, drive)
  }
  const sequence = { next: 0 }
  const positions = new Map<string, Place>()
  for (const entry of collected.entries.drive) {
    const drive = fromDrive(entry, sequence, collected.architecture)
    const index = textOf(entry.pairs, 'index')
    if (index !== null && drive.interface === 'builtin') {
      const position = `${textOf(entry.pairs, 'if') ?? 'ide'} ${index}`
      const taken = positions.get(position)
      if (taken !== undefined) {
        throw refusal(
          'QEMU_BACKEND',
          entry.place,
          `drive with index=${index} exists; it stands first at ${taken.text}`,
          {
            index,
          },
        )
      }
      positions.set(position, entry.place)
    }
    drives.set(drive.id, drive)
  }
  return drives
}
