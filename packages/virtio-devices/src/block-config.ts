import { eachByte, readConfig } from './config-window.ts'
import { VIRTIO_BLK_SECTOR_BYTES, virtio_blk_config } from './spec/block.ts'

/** What a block device is told about itself, and tells the driver. */
export interface BlockConfig {
  readonly sectors: number
  readonly queues: number
  readonly segMax: number
  /** Logical block size, bytes. */
  readonly blockSize: number
  readonly writeBack: boolean
}

/** Most sectors of one request, of any kind: QEMU's limit, just below 2 GiB. */
export const MAX_REQUEST_SECTORS = 0x3f_ffff

const { fields } = virtio_blk_config
const HEADS = 16
const SECTORS_PER_TRACK = 63

/** The geometry that QEMU gives a disk whose partition table says nothing: 16 heads, 63 sectors, 2 to 16383 cylinders. */
const cylindersOf = (sectors: number): number =>
  Math.min(Math.max(Math.floor(sectors / (HEADS * SECTORS_PER_TRACK)), 2), 16_383)

/** The device-specific configuration of a block device (virtio 1.3 §5.2.4), with the values that QEMU gives it. */
export class BlockConfigSpace {
  readonly size = virtio_blk_config.size
  readonly #view = new DataView(new ArrayBuffer(virtio_blk_config.size))
  readonly #initialWriteBack: number

  constructor(config: BlockConfig) {
    const view = this.#view
    this.#initialWriteBack = config.writeBack ? 1 : 0
    fields.capacity.number.set(view, 0, config.sectors)
    fields.seg_max.set(view, 0, config.segMax)
    fields.geometry.fields.cylinders.set(view, 0, cylindersOf(config.sectors))
    fields.geometry.fields.heads.set(view, 0, HEADS)
    fields.geometry.fields.sectors.set(view, 0, SECTORS_PER_TRACK)
    fields.blk_size.set(view, 0, config.blockSize)
    fields.writeback.set(view, 0, this.#initialWriteBack)
    fields.num_queues.set(view, 0, config.queues)
    fields.max_discard_sectors.set(view, 0, MAX_REQUEST_SECTORS)
    fields.max_discard_seg.set(view, 0, 1)
    fields.discard_sector_alignment.set(view, 0, config.blockSize / VIRTIO_BLK_SECTOR_BYTES)
    fields.max_write_zeroes_sectors.set(view, 0, MAX_REQUEST_SECTORS)
    fields.max_write_zeroes_seg.set(view, 0, 1)
    fields.write_zeroes_may_unmap.set(view, 0, 1)
  }

  /** False: every write goes through to the medium before it completes (§5.2.6.2). */
  get writeBack(): boolean {
    return fields.writeback.get(this.#view, 0) !== 0
  }

  set writeBack(on: boolean) {
    fields.writeback.set(this.#view, 0, on ? 1 : 0)
  }

  read(offset: number, width: 1 | 2 | 4): number {
    return readConfig(this.#view, offset, width)
  }

  /** `writeback` is the one field that a driver may write (§5.2.4). */
  write(offset: number, width: 1 | 2 | 4, value: number): void {
    eachByte(offset, width, value, (at, byte) => {
      if (at === fields.writeback.offset) this.writeBack = byte !== 0
    })
  }

  reset(): void {
    this.writeBack = this.#initialWriteBack !== 0
  }
}
