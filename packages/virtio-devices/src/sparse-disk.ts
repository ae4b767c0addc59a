import type { Disk } from './disk.ts'

const BLOCK_BYTES = 16_384
/** Blocks to a leaf: 16 MiB of disk. */
const LEAF_BLOCKS = 1024

export interface SparseDisk extends Disk {
  /** Bytes of memory that hold data now. */
  readonly allocated: number
}

export interface SparseDiskOptions {
  /** Most memory that data may take, in bytes; writes beyond fail, as on a full host. Default 1 GiB. */
  readonly limit?: number
}

/**
 * A disk of `size` bytes that reads as zeroes and takes memory in blocks of 16 KiB, only where it was written.
 *
 * @throws RangeError where `size` or `limit` is not an integer in [0, 2^53)
 */
export function createSparseDisk(size: number, options: SparseDiskOptions = {}): SparseDisk {
  const limit = options.limit ?? 2 ** 30
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`a disk's size is an integer of bytes, got ${size}`)
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new RangeError(`a disk's limit is an integer of bytes, got ${limit}`)
  }
  // Leaves come into being with their first block, so that an empty disk of any size costs nothing.
  const leaves = new Map<number, (Uint8Array | undefined)[]>()
  const blockAt = (number: number): Uint8Array | undefined =>
    leaves.get(Math.floor(number / LEAF_BLOCKS))?.[number % LEAF_BLOCKS]

  const allocate = (number: number): Uint8Array | null => {
    if (disk.allocated + BLOCK_BYTES > limit) return null
    const key = Math.floor(number / LEAF_BLOCKS)
    let leaf = leaves.get(key)
    if (leaf === undefined) {
      leaf = []
      leaves.set(key, leaf)
    }
    const block = new Uint8Array(BLOCK_BYTES)
    leaf[number % LEAF_BLOCKS] = block
    disk.allocated += BLOCK_BYTES
    return block
  }

  // A field, and no getter: that would make a hidden class of each disk, which keeps the data for as long as it lives.
  const disk: SparseDisk & { allocated: number } = {
    size,
    allocated: 0,
    read(offset, into) {
      for (let done = 0; done < into.length; ) {
        const at = offset + done
        const within = at % BLOCK_BYTES
        const count = Math.min(into.length - done, BLOCK_BYTES - within)
        const block = blockAt((at - within) / BLOCK_BYTES)
        if (block === undefined) into.fill(0, done, done + count)
        else into.set(block.subarray(within, within + count), done)
        done += count
      }
      return true
    },
    write(offset, from) {
      for (let done = 0; done < from.length; ) {
        const at = offset + done
        const within = at % BLOCK_BYTES
        const count = Math.min(from.length - done, BLOCK_BYTES - within)
        const number = (at - within) / BLOCK_BYTES
        const block = blockAt(number) ?? allocate(number)
        if (block === null) return false
        block.set(from.subarray(done, done + count), within)
        done += count
      }
      return true
    },
    flush: () => true,
    clear(offset, length) {
      const end = offset + length
      // Walks the blocks that exist, not the range, which may be terabytes of nothing.
      for (const [key, leaf] of leaves) {
        const leafStart = key * LEAF_BLOCKS * BLOCK_BYTES
        if (leafStart >= end || leafStart + LEAF_BLOCKS * BLOCK_BYTES <= offset) continue
        for (let index = 0; index < leaf.length; index++) {
          const block = leaf[index]
          const start = leafStart + index * BLOCK_BYTES
          if (block === undefined || start >= end || start + BLOCK_BYTES <= offset) continue
          if (start >= offset && start + BLOCK_BYTES <= end) {
            leaf[index] = undefined
            disk.allocated -= BLOCK_BYTES
          } else {
            block.fill(0, Math.max(offset - start, 0), Math.min(end - start, BLOCK_BYTES))
          }
        }
      }
      return true
    },
  }
  return disk
}
