import { backend, deviceModel } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import { bearing, on, only, type PropertyList, text, uint32 } from '../property-specs.ts'

/** Virtio devices that QEMU has at the ends of subchannels: their names without a transport, and with this one. */
const ON_CHANNELS: readonly (readonly [plain: string, channel: string])[] = [
  ...['blk', 'net', 'serial', 'balloon', 'scsi', 'rng', '9p', 'crypto', 'gpu', 'keyboard', 'mouse', 'tablet'].map(
    (kind) => [`virtio-${kind}-device`, `virtio-${kind}-ccw`] as const,
  ),
  ['vhost-scsi', 'vhost-scsi-ccw'],
  ['vhost-vsock-device', 'vhost-vsock-ccw'],
  ['vhost-user-fs-device', 'vhost-user-fs-ccw'],
]

/** What every one of them takes (QEMU's `ccw-device` and `virtio-ccw-device`). */
const CHANNEL_PROPERTIES: PropertyList = {
  devno: bearing(text),
  max_revision: bearing(uint32(2)),
  ioeventfd: on,
  loadparm: only('11.1', text),
}

/** The service processor's consoles, which master no memory. */
const consoles = (): readonly DeviceModel[] =>
  ['sclpconsole', 'sclplmconsole'].map((name) =>
    deviceModel({
      name,
      kind: 'none',
      properties: { chardev: text },
      backends: [backend('chardev', 'chardev', null)],
    }),
  )

/**
 * Virtio devices on channels, from those without a transport.
 *
 * @param find - a model by its name
 */
export const channelModels = (find: (name: string) => DeviceModel | null): readonly DeviceModel[] => [
  ...consoles(),
  ...ON_CHANNELS.flatMap(([plain, name]): readonly DeviceModel[] => {
    const model = find(plain)
    if (model === null) return []
    return [
      {
        ...model,
        name,
        plug: 'channel',
        parents: ['virtio-ccw-device', 'ccw-device', ...model.parents, model.name],
        properties: { ...model.properties, ...CHANNEL_PROPERTIES },
      },
    ]
  }),
]
