import {
  createBalloon,
  createBlock,
  createConsole,
  createNet,
  createRng,
  createSparseDisk,
} from '@dmascope/virtio-devices'
import type { FeatureBits, VirtioDevice } from '@dmascope/virtio-pci'
import type { PlacedDevice } from './placed-bus.ts'
import { blockQueues } from './virtio-queues.ts'

/** Bytes of a disk of which nothing is known. */
const DEFAULT_DISK_BYTES = 8 * 0x10_0000

/** Of a placed device, what its behaviour depends on. */
type Described = Pick<PlacedDevice, 'model' | 'properties' | 'description' | 'serialPorts'>

/**
 * What a virtio device does, whatever it is reached over.
 *
 * @param seed - tells apart devices that make up data
 */
export function behaviourOf({ model, properties, description, serialPorts }: Described, seed: number): VirtioDevice {
  switch (model.kind) {
    case 'virtio-blk':
      return createBlock({
        disk: createSparseDisk(description.backend?.size ?? DEFAULT_DISK_BYTES),
        readOnly: description.backend?.readOnly === true,
        serial: String(properties.serial ?? '').slice(0, 20),
        queueSize: Number(properties['queue-size'] ?? 256),
        queues: blockQueues(properties),
      })
    case 'virtio-net':
      return createNet({ mac: macOf(properties.mac, seed) })
    case 'virtio-rng':
      return createRng({ seed })
    case 'virtio-console':
      return createConsole({ serial: { maxPorts: Number(properties.max_ports ?? 31), ports: serialPorts } })
    case 'virtio-balloon':
      return createBalloon({})
    default: {
      const known = model.virtio ?? model.virtioBus
      return new InertDevice(known?.type ?? 0, model.kind, known?.configSize ?? 0, known?.queues ?? 1)
    }
  }
}

/** QEMU numbers its own addresses from 52:54:00:12:34:56. */
function macOf(stated: unknown, seed: number): Uint8Array {
  if (typeof stated === 'string' && /^([0-9a-f]{1,2}[:-]){5}[0-9a-f]{1,2}$/i.test(stated)) {
    return Uint8Array.from(stated.split(/[:-]/), (part) => Number.parseInt(part, 16))
  }
  return Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, (0x56 + seed) & 0xff)
}

/** A virtio device whose type is not modelled: it negotiates, and answers nothing. The guest has no driver for it. */
class InertDevice implements VirtioDevice {
  readonly type: number
  readonly kind: string
  readonly queueSizes: readonly number[]
  readonly features: FeatureBits = { lo: 0, hi: 0 }
  readonly config: VirtioDevice['config']

  constructor(type: number, kind: string, configSize: number, queues: number) {
    this.type = type
    this.kind = kind
    this.queueSizes = new Array<number>(Math.max(queues, 1)).fill(256)
    this.config = { size: configSize, read: () => 0, write: () => {} }
  }

  activate(): void {}
  notify(): void {}
  work(): 'idle' {
    return 'idle'
  }
  reset(): void {}
}
