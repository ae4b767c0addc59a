import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { buildDtb, parseDtb, parseDts } from '../src/index.ts'
import { plainTree } from '../src/plain/index.ts'
import { PLAIN_TREE } from '../src/plain/schema.ts'
import { goldenBlobs, realBlobs } from './corpus.ts'

const plain = (bytes: Uint8Array): unknown => JSON.parse(JSON.stringify(plainTree(parseDtb(bytes))))
const small = () =>
  plain(buildDtb(parseDts('/dts-v1/; /memreserve/ 1 2; / { n { a = <1>; }; };'))) as {
    root: { children: { properties: Record<string, unknown>[] }[] }
  }

describe('the schema of trees', () => {
  test.each([...goldenBlobs, ...realBlobs])('$name has the form', ({ bytes }) => {
    const tree = plain(bytes)
    expect(PLAIN_TREE.parse(tree)).toEqual(tree)
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['a key that is not known', { cell: [1] }, 'unrecognized_keys'],
    ['a cell above 32 bits', { cells: [2 ** 32] }, 'too_big'],
    ['half a byte', { bytes: '1' }, 'invalid_format'],
    ['a name that is no text', { name: 1 }, 'invalid_type'],
  ])('%s is told at its place', (_, change, code) => {
    const tree = small()
    Object.assign(tree.root.children[0]!.properties[0]!, change)
    const { error } = PLAIN_TREE.safeParse(tree)
    expect(error?.issues.map((issue) => issue.code)).toEqual([code])
    expect(error?.issues[0]?.path.slice(0, 5)).toEqual(['root', 'children', 0, 'properties', 0])
  })

  test('is a JSON Schema, whose nodes contain nodes', () => {
    const schema = z.toJSONSchema(PLAIN_TREE, { target: 'draft-2020-12' })
    expect(JSON.stringify(schema)).toContain('{"type":"array","items":{"$ref":"#/$defs/node"}}')
  })
})
