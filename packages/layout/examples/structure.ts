import { bits, describeStruct, formatBits, le16, le32, le64, printStruct, struct } from '@dmascope/layout'

// Declared once, as the specification prints it.
const VIRTQ_DESC = struct('virtq_desc', 'virtio 1.3 §2.7.5', { addr: le64, len: le32, flags: le16, next: le16 })
const VIRTQ_DESC_FLAGS = bits(16, 'virtq_desc.flags', 'virtio 1.3 §2.7.5', { NEXT: 0, WRITE: 1, INDIRECT: 2 })

// What a hot path needs, it holds in constants: each is a plain function over a DataView.
const { addr, len, flags } = VIRTQ_DESC.fields
const { NEXT, WRITE } = VIRTQ_DESC_FLAGS.fields

const table = new DataView(new ArrayBuffer(4 * VIRTQ_DESC.size))
const second = 1 * VIRTQ_DESC.size
addr.hi.set(table, second, 0x0000_0001)
addr.lo.set(table, second, 0x8000_1000)
len.set(table, second, 4096)
flags.set(table, second, NEXT.loMask | WRITE.loMask)

console.log(
  `${addr.number.get(table, second).toString(16)}, device writes: ${WRITE.get(flags.get(table, second)) === 1}`,
)
console.log(formatBits(VIRTQ_DESC_FLAGS, flags.get(table, second)))
for (const { offset, name, text } of printStruct(VIRTQ_DESC, table, second)) {
  console.log(`+0x${offset.toString(16).padStart(2, '0')} ${name.padEnd(5)} ${text}`)
}
console.log(describeStruct(VIRTQ_DESC))
