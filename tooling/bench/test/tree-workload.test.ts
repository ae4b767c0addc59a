import { buildDtb, parseDtb, parseDts } from '@dmascope/devicetree'
import { describe, expect, test } from 'vitest'
import { treeCases } from '../src/tree-dmascope.ts'
import { treeFloorCases } from '../src/tree-floor.ts'
import { makeBlob, makeText } from '../src/tree-workload.ts'

const NODES = 2000

test('the tree workload: 156 bytes a node, and a text that is its blob', () => {
  const blob = makeBlob(NODES)
  expect(blob.length / NODES).toBeCloseTo(156, -1)
  expect(Buffer.compare(buildDtb(parseDtb(blob), { form: 'canonical' }), blob)).toBe(0)
  const { text, blob: small } = makeText(NODES)
  expect(Buffer.compare(buildDtb(parseDts(text)), small)).toBe(0)
})

describe('each case does its work, and checks it', () => {
  test.each([...treeCases(NODES, NODES), ...treeFloorCases(NODES)].map((one) => [one.id, one] as const))(
    '%s',
    (_id, one) => {
      expect(one.prepare()()).toBe(NODES)
    },
  )
})
