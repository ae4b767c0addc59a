import { backend, DRIVE, deviceModel, type ModelInput, mem, NETDEV, NIC_ROM, SINCE_8, VGA_ROM } from '../build-model.ts'
import type { DeviceModel, ModelKind, VirtioModel } from '../model.ts'
import {
  all,
  bearing,
  differs,
  int32,
  off,
  on,
  only,
  onOffAuto,
  type PropertyList,
  size,
  text,
  uint8,
  uint16,
  uint32,
  uint64,
} from '../property-specs.ts'
import {
  BLOCK_PROPERTIES,
  GEOMETRY_PROPERTIES,
  NIC_PROPERTIES,
  VIRTIO_NET_PROPERTIES,
  VIRTIO_PCI_GENERATION,
  VIRTIO_PCI_PROPERTIES,
  VIRTIO_PROPERTIES,
} from '../shared-properties.ts'

interface Family {
  /** Without `-pci`: `virtio-blk`. */
  readonly base: string
  readonly kind: ModelKind
  readonly type: number
  readonly transitionalDeviceId?: number
  readonly classCode: number
  readonly configSize: number
  /** By version where it differs; one number where it does not. */
  readonly vectors: number | readonly [before: number, after: number]
  readonly queues: number
  readonly properties: PropertyList
  /** More of the model: backends, parents, an alias. */
  readonly model?: Partial<ModelInput>
  readonly pci?: Partial<VirtioModel>
  /** Exists only under the one name `<base>-pci`. */
  readonly single?: boolean
}

const DASHES = ['', '-transitional', '-non-transitional'] as const

/** One device type under its names: `-pci`, `-pci-transitional`, `-pci-non-transitional`. */
function family(of: Family): DeviceModel[] {
  const vectors = typeof of.vectors === 'number' ? ([of.vectors, of.vectors] as const) : of.vectors
  const endings = of.single ? DASHES.slice(0, 1) : of.transitionalDeviceId === undefined ? ['', DASHES[2]] : DASHES
  return endings.map((ending) => {
    const mode = ending === '' ? 'any' : ending === '-transitional' ? 'transitional' : 'non-transitional'
    return deviceModel({
      kind: of.kind,
      dma: true,
      ...of.model,
      name: `${of.base}-pci${ending}`,
      aliases: ending === '' ? (of.model?.aliases ?? [of.base]) : [],
      parents: ['virtio-pci', 'virtio-device', `${of.base}-device`, ...(of.model?.parents ?? [])],
      virtio: {
        type: of.type,
        transitionalDeviceId: of.transitionalDeviceId ?? null,
        classCode: of.classCode,
        configSize: of.configSize,
        vectors: { '7.2': vectors[0], '11.1': vectors[1] },
        queues: of.queues,
        romSize: 0,
        mode,
        extraBars: [],
        modernBar: 4,
        msixBar: 1,
        ...of.pci,
      },
      properties: {
        ...VIRTIO_PROPERTIES,
        ...VIRTIO_PCI_PROPERTIES,
        // vhost-user and vhost models too: QEMU registers every virtio-pci type with them, but for the two named modes.
        ...(mode === 'any' ? VIRTIO_PCI_GENERATION : {}),
        vectors: bearing(differs(uint32(0), vectors[0] === 0 ? 0 : 0xffff_ffff, vectors[1] === 0 ? 0 : 0xffff_ffff)),
        ...of.properties,
      },
    })
  })
}

const BLK: PropertyList = {
  ...BLOCK_PROPERTIES,
  ...GEOMETRY_PROPERTIES,
  serial: bearing(text),
  class: bearing(uint32(0)),
  'num-queues': bearing(uint16(0xffff)),
  'queue-size': bearing(uint16(256)),
  'config-wce': bearing(on),
  discard: bearing(on),
  'write-zeroes': bearing(on),
  'seg-max-adjust': bearing(on),
  'request-merging': on,
  'report-discard-granularity': on,
  'max-discard-sectors': uint32(0x3f_ffff),
  'max-write-zeroes-sectors': uint32(0x3f_ffff),
  'x-enable-wce-if-config-wce': on,
  iothread: text,
  'iothread-vq-mapping': only('11.1', text),
  scsi: only('7.2', off),
}

const VIRTIO_SCSI: PropertyList = {
  num_queues: bearing(uint32(0xffff_ffff)),
  virtqueue_size: bearing(uint32(256)),
  seg_max_adjust: bearing(on),
  max_sectors: uint32(0xffff),
  cmd_per_lun: uint32(128),
  hotplug: on,
  param_change: on,
  iothread: text,
  'iothread-vq-mapping': only('11.1', text),
}

const VHOST_SCSI: PropertyList = {
  vhostfd: text,
  wwpn: text,
  boot_tpgt: uint32(0),
  num_queues: bearing(uint32(0xffff_ffff)),
  virtqueue_size: bearing(uint32(128)),
  seg_max_adjust: on,
  max_sectors: uint32(0xffff),
  cmd_per_lun: uint32(128),
  migratable: off,
  t10_pi: off,
  hotplug: on,
  param_change: on,
  worker_per_virtqueue: only('11.1', off),
}

const GPU: PropertyList = {
  max_outputs: uint32(1),
  xres: uint32(1280),
  yres: uint32(800),
  edid: on,
  blob: off,
  max_hostmem: size(256 * 1024 * 1024),
  hostmem: bearing(size(0)),
  virgl: off,
  venus: only('11.1', off),
  stats: off,
  outputs: only('11.1', text),
}

const INPUT: PropertyList = { serial: text, display: text, head: uint32(0) }

const vhostUser = (extra: PropertyList = {}): PropertyList => ({ chardev: bearing(text), ...extra })
const CHARDEV_MANDATORY = backend('chardev', 'chardev', 'character', 'missing chardev')

const INPUT_KINDS = [
  ['virtio-keyboard', 0x090000],
  ['virtio-mouse', 0x090200],
  ['virtio-tablet', 0x098000],
  ['virtio-multitouch', 0x098000],
] as const

const KIB = 1024

/**
 * Virtio devices over PCI. Class codes, IDs and default vectors as QEMU gives them; one CPU, one queue pair.
 */
export const VIRTIO_MODELS: readonly DeviceModel[] = [
  ...family({
    base: 'virtio-blk',
    kind: 'virtio-blk',
    type: 2,
    transitionalDeviceId: 0x1001,
    classCode: 0x010000,
    configSize: 60,
    vectors: 2,
    queues: 1,
    properties: BLK,
    model: { backends: [DRIVE('drive property not set')] },
  }),
  ...family({
    base: 'vhost-user-blk',
    kind: 'virtio-blk',
    type: 2,
    transitionalDeviceId: 0x1001,
    classCode: 0x010000,
    configSize: 60,
    vectors: 2,
    queues: 1,
    properties: vhostUser({
      class: bearing(uint32(0)),
      bootindex: int32(-1),
      'num-queues': bearing(uint16(0xffff)),
      'queue-size': bearing(uint32(128)),
      'config-wce': on,
      discard: on,
      'write-zeroes': on,
      'skip-get-vring-base-on-force-shutdown': only('11.1', off),
    }),
    model: {
      where: 'vhost-user',
      backends: [backend('chardev', 'chardev', 'disk', 'chardev is mandatory')],
    },
  }),
  ...family({
    base: 'virtio-net',
    kind: 'virtio-net',
    type: 1,
    transitionalDeviceId: 0x1000,
    classCode: 0x020000,
    // Up to max_virtqueue_pairs; more only where the features for it are offered.
    configSize: 12,
    vectors: 4,
    queues: 3,
    properties: { ...NIC_PROPERTIES, ...VIRTIO_NET_PROPERTIES },
    model: { backends: [NETDEV] },
    pci: { romSize: NIC_ROM },
  }),
  ...family({
    base: 'virtio-rng',
    kind: 'virtio-rng',
    type: 4,
    transitionalDeviceId: 0x1005,
    classCode: 0x00ff00,
    configSize: 0,
    vectors: 2,
    queues: 1,
    properties: { 'max-bytes': uint64(null), period: uint32(65536) },
    model: { backends: [backend('rng', 'object', 'random')] },
  }),
  ...family({
    base: 'virtio-serial',
    kind: 'virtio-console',
    type: 3,
    transitionalDeviceId: 0x1003,
    classCode: 0x078000,
    configSize: 12,
    vectors: 32,
    // A pair for the first port, one for control, and one for each of the other 30 ports.
    queues: 64,
    properties: { max_ports: bearing(uint32(31)), emergency_write: differs(on, true, true), class: bearing(uint32(0)) },
  }),
  ...family({
    base: 'virtio-balloon',
    kind: 'virtio-balloon',
    type: 5,
    transitionalDeviceId: 0x1002,
    classCode: 0x00ff00,
    configSize: 8,
    vectors: [0, 2],
    queues: 3,
    properties: {
      class: bearing(uint32(0)),
      ...all(off, 'deflate-on-oom', 'free-page-hint', 'free-page-reporting'),
      'page-poison': on,
      'qemu-4-0-config-size': off,
      iothread: text,
      'guest-stats-polling-interval': uint32(0),
    },
  }),
  ...family({
    base: 'virtio-scsi',
    kind: 'virtio-scsi',
    type: 8,
    transitionalDeviceId: 0x1004,
    classCode: 0x010000,
    configSize: 36,
    vectors: 4,
    queues: 3,
    properties: VIRTIO_SCSI,
  }),
  ...family({
    base: 'vhost-scsi',
    kind: 'virtio-scsi',
    type: 8,
    transitionalDeviceId: 0x1004,
    classCode: 0x010000,
    configSize: 36,
    vectors: 4,
    queues: 3,
    properties: { ...VHOST_SCSI, bootindex: int32(-1) },
    model: { where: 'vhost', required: { wwpn: 'vhost-scsi: missing wwpn' } },
  }),
  ...family({
    base: 'vhost-user-scsi',
    kind: 'virtio-scsi',
    type: 8,
    transitionalDeviceId: 0x1004,
    classCode: 0x010000,
    configSize: 36,
    vectors: 4,
    queues: 3,
    properties: vhostUser({ ...VHOST_SCSI, bootindex: int32(-1) }),
    model: {
      where: 'vhost-user',
      backends: [backend('chardev', 'chardev', 'disk', 'vhost-user-scsi: missing chardev')],
    },
  }),
  ...family({
    base: 'virtio-9p',
    kind: 'virtio-9p',
    type: 9,
    transitionalDeviceId: 0x1009,
    classCode: 0x000200,
    configSize: 2,
    vectors: 2,
    queues: 1,
    properties: { mount_tag: text },
    model: {
      backends: [backend('fsdev', 'fsdev', null, "9pfs device couldn't find fsdev with the id = NULL")],
      required: { mount_tag: 'fsdev with that id is missing a mount_tag' },
    },
  }),
  ...family({
    base: 'vhost-user-fs',
    kind: 'virtio-fs',
    type: 26,
    classCode: 0x018000,
    configSize: 40,
    vectors: 3,
    queues: 2,
    single: true,
    properties: vhostUser({
      tag: text,
      'num-request-queues': bearing(uint16(1)),
      'queue-size': bearing(uint16(128)),
      bootindex: int32(-1),
    }),
    model: {
      where: 'vhost-user',
      backends: [CHARDEV_MANDATORY],
      required: { tag: 'missing tag property' },
    },
  }),
  ...family({
    base: 'vhost-vsock',
    kind: 'virtio-vsock',
    // Modern only since QEMU 5.1.
    type: 19,
    classCode: 0x078000,
    configSize: 8,
    vectors: 3,
    queues: 3,
    properties: { 'guest-cid': bearing(uint64(0)), vhostfd: text, seqpacket: onOffAuto('auto') },
    model: {
      where: 'vhost',
      required: { 'guest-cid': 'guest-cid property must be greater than 2' },
    },
  }),
  ...family({
    base: 'vhost-user-vsock',
    kind: 'virtio-vsock',
    type: 19,
    classCode: 0x078000,
    configSize: 8,
    vectors: 3,
    queues: 3,
    properties: vhostUser({ seqpacket: onOffAuto('auto') }),
    model: { where: 'vhost-user', backends: [CHARDEV_MANDATORY] },
  }),
  ...family({
    base: 'virtio-gpu',
    kind: 'virtio-gpu',
    type: 16,
    classCode: 0x038000,
    configSize: 16,
    vectors: 3,
    queues: 2,
    single: true,
    properties: GPU,
  }),
  ...family({
    base: 'virtio-gpu-gl',
    kind: 'virtio-gpu',
    type: 16,
    classCode: 0x038000,
    configSize: 16,
    vectors: 3,
    queues: 2,
    single: true,
    properties: GPU,
  }),
  // The VGA-compatible ones are no `-pci` names; their frame buffer comes first and moves virtio's BARs.
  ...['virtio-vga', 'virtio-vga-gl'].flatMap((base) =>
    family({
      base,
      kind: 'virtio-gpu',
      type: 16,
      classCode: 0x030000,
      configSize: 16,
      vectors: 3,
      queues: 2,
      single: true,
      properties: { ...GPU, vgamem_mb: uint32(8), 'big-endian-framebuffer': off },
      pci: { extraBars: [mem(0, 8 * KIB * KIB, true)], modernBar: 2, msixBar: 4, romSize: VGA_ROM },
    }).map((model) => ({ ...model, name: base, aliases: [] })),
  ),
  ...INPUT_KINDS.flatMap(([base, classCode]) =>
    family({
      base,
      kind: 'virtio-input',
      type: 18,
      classCode,
      configSize: 136,
      vectors: 2,
      queues: 2,
      single: true,
      properties: { ...INPUT, ...(base === 'virtio-mouse' || base === 'virtio-tablet' ? { 'wheel-axis': on } : {}) },
      model: { parents: ['virtio-input-device'], versions: base === 'virtio-multitouch' ? SINCE_8 : ['7.2', '11.1'] },
    }),
  ),
  ...family({
    base: 'virtio-input-host',
    kind: 'virtio-input',
    type: 18,
    classCode: 0x098000,
    configSize: 136,
    vectors: 2,
    queues: 2,
    properties: { ...INPUT, evdev: text },
    model: { required: { evdev: 'evdev property is required' } },
  }),
  ...family({
    base: 'virtio-crypto',
    kind: 'virtio-crypto',
    type: 20,
    classCode: 0x00ff00,
    configSize: 56,
    vectors: 2,
    queues: 2,
    single: true,
    properties: {},
    model: { backends: [backend('cryptodev', 'object', null, "'cryptodev' parameter expects a valid object")] },
  }),
  ...family({
    base: 'virtio-mem',
    kind: 'virtio-mem',
    type: 24,
    classCode: 0x00ff00,
    configSize: 56,
    vectors: [0, 2],
    queues: 1,
    single: true,
    properties: {
      memaddr: uint64(0),
      node: uint32(0),
      prealloc: off,
      'block-size': size(null),
      'requested-size': size(0),
      'unplugged-inaccessible': onOffAuto('auto'),
      'dynamic-memslots': only('11.1', off),
      'x-early-migration': only('11.1', on),
    },
    model: { backends: [backend('memdev', 'object', null, "'memdev' property is not set")] },
  }),
  ...family({
    base: 'virtio-pmem',
    kind: 'virtio-pmem',
    type: 27,
    classCode: 0x00ff00,
    configSize: 16,
    vectors: 0,
    queues: 1,
    single: true,
    properties: { memaddr: uint64(0) },
    model: { backends: [backend('memdev', 'object', null, "'memdev' property is not set")] },
  }),
  ...family({
    base: 'virtio-sound',
    kind: 'virtio-sound',
    type: 25,
    classCode: 0x040100,
    configSize: 12,
    vectors: 2,
    queues: 4,
    single: true,
    properties: { jacks: uint32(0), streams: uint32(2), chmaps: uint32(0) },
    model: { versions: SINCE_8, backends: [backend('audiodev', 'audiodev', null)] },
  }),
  ...(
    [
      ['vhost-user-rng', 'virtio-rng', 4, 0x00ff00, 1],
      ['vhost-user-i2c', 'virtio-i2c', 34, 0x078000, 1],
      ['vhost-user-gpio', 'virtio-gpio', 41, 0x078000, 2],
      ['vhost-user-scmi', 'virtio-scmi', 32, 0x078000, 2],
      ['vhost-user-snd', 'virtio-sound', 25, 0x040100, 4],
      ['vhost-user-input', 'virtio-input', 18, 0x098000, 2],
    ] as const
  ).flatMap(([base, kind, type, classCode, queues]) =>
    family({
      base,
      kind,
      type,
      classCode,
      configSize: type === 18 ? 136 : type === 41 || type === 25 ? 12 : 0,
      vectors: 2,
      queues,
      single: true,
      properties: vhostUser(),
      model: {
        where: 'vhost-user',
        backends: [CHARDEV_MANDATORY],
        versions: type === 32 || type === 25 ? SINCE_8 : ['7.2', '11.1'],
      },
    }),
  ),
  ...family({
    base: 'vhost-vdpa-device',
    kind: 'virtio-other',
    type: 0,
    classCode: 0x00ff00,
    configSize: 0,
    vectors: 2,
    queues: 1,
    properties: { vhostdev: text, 'queue-size': bearing(uint16(0)), bootindex: int32(-1) },
    model: { where: 'vhost', versions: SINCE_8, required: { vhostdev: 'vhostdev property is missing' } },
  }),
  ...family({
    base: 'virtio-nsm',
    kind: 'virtio-other',
    type: 33,
    classCode: 0x00ff00,
    configSize: 0,
    vectors: 2,
    queues: 1,
    single: true,
    properties: { 'module-id': text },
    model: { versions: SINCE_8 },
  }),
  ...family({
    base: 'virtio-rtc',
    kind: 'virtio-rtc',
    type: 17,
    classCode: 0x00ff00,
    configSize: 0,
    vectors: 2,
    queues: 1,
    single: true,
    properties: { alarm: uint8(null) },
    model: { versions: SINCE_8 },
  }),
  ...family({
    base: 'virtio-iommu',
    kind: 'virtio-iommu',
    type: 23,
    classCode: 0x00ff00,
    configSize: 40,
    // QEMU gives it no MSI-X at all: its interrupts would have to pass through itself.
    vectors: 0,
    queues: 2,
    single: true,
    properties: {
      'boot-bypass': bearing(on),
      'primary-bus': text,
      granule: only('11.1', bearing(text)),
      'aw-bits': only('11.1', bearing(uint8(64))),
      'len-reserved-regions': uint32(0),
      'reserved-regions[0]': bearing(text),
      'reserved-regions[1]': bearing(text),
    },
    model: { plug: 'root' },
  }),
]
