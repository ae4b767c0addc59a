import type { Machine } from '../src/index.ts'

/** A file of fw_cfg, as software reads it at ports 0x510 and 0x511. */
export function readFile({ bus }: Machine, wanted: string): Uint8Array | null {
  const ports = bus.ports!
  const bytes = (selector: number, length: number): Uint8Array => {
    ports.out16(0x510, selector)
    return Uint8Array.from({ length }, () => ports.in8(0x511))
  }
  const count = new DataView(bytes(0x19, 4).buffer).getUint32(0)
  const directory = new DataView(bytes(0x19, 4 + 64 * count).buffer)
  for (let entry = 4; entry < directory.byteLength; entry += 64) {
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, entry + 8, 56)).replace(/\0.*$/s, '')
    if (name === wanted) return bytes(directory.getUint16(entry + 4), directory.getUint32(entry))
  }
  return null
}

/** A table as it stands in the file of tables. */
export function table(machine: Machine, signature: string): Uint8Array {
  const file = readFile(machine, 'etc/acpi/tables') as Uint8Array
  const view = new DataView(file.buffer)
  for (let offset = 0, length = 1; length > 0; offset += length) {
    length = view.getUint32(offset + 4, true)
    if (String.fromCharCode(...file.subarray(offset, offset + 4)) === signature)
      return file.slice(offset, offset + length)
  }
  throw new Error(`no ${signature}`)
}
