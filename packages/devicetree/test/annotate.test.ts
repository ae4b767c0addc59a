import { type AnnotatedLine, formatAnnotated } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { annotateDtb } from '../src/annotate/index.ts'
import { buildDtb, type DeviceTree, parseDtb, parseDts } from '../src/index.ts'
import { goldenBlobs, realBlobs } from './corpus.ts'

const runs = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

/** The bytes that lines show, where they follow one another without a gap or a doubling; else null. */
function bytesOf(lines: Iterable<AnnotatedLine>): Buffer | null {
  const parts: Buffer[] = []
  let end = 0
  for (const { offset, size, bytes, field } of lines) {
    if (bytes === '' && field !== 'gap') continue
    if (offset !== end) return null
    parts.push(bytes === '' ? Buffer.alloc(size) : Buffer.from(bytes, 'hex'))
    end += size
  }
  return Buffer.concat(parts)
}

const reads = (bytes: Uint8Array): DeviceTree | null => {
  try {
    return parseDtb(bytes)
  } catch {
    return null
  }
}

describe('annotated blobs', () => {
  test.each([...goldenBlobs, ...realBlobs])('$name: every byte once, in order', ({ bytes }) => {
    expect(bytesOf(annotateDtb(bytes, parseDtb(bytes)))?.equals(bytes)).toBe(true)
  })

  test('tokens bear the names of the specification, and what they mean is told', () => {
    const source = `/dts-v1/; / { #address-cells = <1>; #size-cells = <1>;
      mmu: mmu@1000 { reg = <0x1000 0x100>; #iommu-cells = <1>; };
      pcie { iommu-map = <0x8 &mmu 0x20 0x8>; iommus = <&mmu 7>; interrupt-parent = <9>; constructor; }; };`
    const bytes = buildDtb(parseDts(source))
    const lines = [...annotateDtb(bytes, parseDtb(bytes))]
    const told = lines.filter(({ field, meaning }) => field === 'FDT_PROP' && meaning !== '')
    expect(told.map(({ value, meaning }) => [value.trim(), meaning])).toEqual([
      ['reg = <0x1000 0x100>', '0x1000, 0x100 bytes'],
      ['iommu-map = <0x8 0x1 0x20 0x8>', '00:01.0-00:01.7 to /mmu@1000 from 0x20'],
      ['iommus = <0x1 0x7>', '/mmu@1000 0x7'],
      ['interrupt-parent = <0x9>', 'no node has 0x9'],
    ])
    expect(lines.map(({ field }) => field).filter((field, index, all) => all.indexOf(field) === index)).toEqual([
      'fdt_header',
      ...'magic totalsize off_dt_struct off_dt_strings off_mem_rsvmap version last_comp_version'.split(' '),
      ...'boot_cpuid_phys size_dt_strings size_dt_struct'.split(' '),
      'memory reservations',
      'address',
      'size',
      'structure block',
      ...'FDT_BEGIN_NODE FDT_PROP FDT_END_NODE FDT_END'.split(' '),
      'strings block',
      ...lines
        .filter(({ offset, bytes: digits }) => digits !== '' && offset >= stringsAt(bytes))
        .map(({ field }) => field),
    ])
  })

  test('room behind the blocks is told by its size', () => {
    const bytes = buildDtb(parseDts('/dts-v1/; / { a; };'), { padding: 1000 })
    const last = [...annotateDtb(bytes, null)].at(-1)
    expect(last).toMatchObject({ field: 'gap', value: '1000 bytes of zeros', bytes: '', size: 1000 })
  })

  test('a damaged blob is told as far as it makes sense, then as bytes', () => {
    const bytes = buildDtb(parseDts('/dts-v1/; / { a = <1>; n { b; }; };'))
    const at = Buffer.from(bytes).indexOf(Buffer.from('6e000000', 'hex')) - 4
    bytes[at + 3] = 0x17
    const lines = [...annotateDtb(bytes, null)]
    expect(lines.find(({ field }) => field === 'no token')?.offset).toBe(at)
    expect(lines.filter(({ field }) => field === 'FDT_PROP').map(({ value }) => value)).toEqual(['  a = <0x1>'])
    expect(bytesOf(lines)?.equals(bytes)).toBe(true)
  })

  test.each(goldenBlobs.filter(({ bytes }) => bytes.length < 4096))(
    '$name with words changed: still every byte once',
    ({ bytes }) => {
      const word = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 9, 16, 17, 0x28, 0x38, 0xffff_ffff), fc.nat({ max: 0x400 }))
      const places = fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: Math.floor(bytes.length / 4) - 1 }))
      fc.assert(
        fc.property(fc.array(fc.tuple(places, word), { maxLength: 4 }), fc.nat({ max: 60 }), (all, cut) => {
          const mutated = bytes.slice(0, cut < 30 ? bytes.length : bytes.length - cut)
          const view = new DataView(mutated.buffer)
          for (const [at, value] of all) if (at * 4 + 4 <= mutated.length) view.setUint32(at * 4, value)
          return bytesOf(annotateDtb(mutated, reads(mutated)))?.equals(mutated) === true
        }),
        runs,
      )
    },
  )

  test('any bytes at all', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        (bytes) => bytesOf(annotateDtb(bytes, null))?.equals(bytes) === true,
      ),
      runs,
    )
  })

  test('as text, a tree keeps within the width; its nodes are indented', () => {
    const bytes = buildDtb(parseDts('/dts-v1/; / { n { reg = <1 2 3 4 5 6 7 8 9 10 11 12>; }; };'))
    const lines = annotateDtb(bytes, parseDtb(bytes))
    const text = [...formatAnnotated(lines, { bytesPerRow: 12, columns: { field: 17, end: bytes.length } })].join('')
    expect(text).toContain(`FDT_BEGIN_NODE       n {
`)
    expect(text).toMatch(/FDT_PROP {15}reg = <0x1 0x2 0x3 0x4 0x5 0x6 0x7\n.{40} {27}0x8 0x9/)
    expect(text).not.toMatch(/ $/m)
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })
})

const stringsAt = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(12)
