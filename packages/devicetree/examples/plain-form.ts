import { buildDtb, parseDtb, parseDts } from '@dmascope/devicetree'
import { annotateDtb } from '@dmascope/devicetree/annotate'
import { buildPlainTree, plainTree } from '@dmascope/devicetree/plain'
import { formatAnnotated } from '@dmascope/layout'

const blob = buildDtb(parseDts('/dts-v1/; / { pci { device_type = "pci"; bus-range = <0 255>; }; };'))

// Data that JSON can hold, and the same bytes from it.
const plain = plainTree(parseDtb(blob))
console.log(JSON.stringify(plain))
const same = buildPlainTree(JSON.parse(JSON.stringify(plain))).every((byte, index) => byte === blob[index])
console.log(`rebuilt to the same bytes: ${same}`)

// Every byte, for people.
const lines = annotateDtb(blob, parseDtb(blob))
const text = [...formatAnnotated(lines, { bytesPerRow: 12 })].join('')
console.log(text.split('\n').slice(15, 22).join('\n'))
