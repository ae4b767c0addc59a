/**
 * What a block device keeps its data in. Offsets and lengths are in bytes and lie inside [0, size): the block device
 * checks what the driver asks for. Each operation answers false where the medium failed, which the driver sees as
 * VIRTIO_BLK_S_IOERR.
 */
export interface Disk {
  /** Bytes. */
  readonly size: number
  /** Copies into `into`, which the caller owns. */
  read(offset: number, into: Uint8Array): boolean
  /** Copies `from`; the caller goes on to use it. */
  write(offset: number, from: Uint8Array): boolean
  flush(): boolean
  /** Makes the range read as zeroes, and gives back what kept it where that is possible. */
  clear(offset: number, length: number): boolean
}

/** A disk that lies wholly in `bytes`, which the caller and the disk share. */
export function createMemoryDisk(bytes: Uint8Array): Disk {
  return {
    size: bytes.length,
    read(offset, into) {
      into.set(bytes.subarray(offset, offset + into.length))
      return true
    },
    write(offset, from) {
      bytes.set(from, offset)
      return true
    },
    flush: () => true,
    clear(offset, length) {
      bytes.fill(0, offset, offset + length)
      return true
    },
  }
}
