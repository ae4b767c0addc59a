import { z } from 'zod'
import type { PlainNode, PlainTree } from './plain-tree.ts'

const count = z.int().min(0)
const word = z.int().min(0).max(0xffff_ffff)
const name = z.string().describe('One character a byte')
const hexBytes = z
  .string()
  .regex(/^(?:[0-9a-fA-F]{2})*$/, { error: 'expected pairs of hexadecimal digits' })
  .describe('Bytes as hexadecimal digits')
const u64 = z.union([z.int().min(0), z.string().regex(/^0x[0-9a-fA-F]{1,16}$/)], {
  error: 'expected an integer in [0, 2^53), or "0x" and up to 16 hexadecimal digits',
})
const padding = hexBytes.optional().describe('Up to four bytes, where they are not zero')
const nops = count.optional().describe('FDT_NOPs before it')

const property = z
  .strictObject({
    name,
    strings: z.array(z.string()).optional(),
    cells: z.array(word).optional(),
    bytes: hexBytes.optional(),
    nops,
    padding,
    nameOffset: word.optional().describe('Where the strings block has its name, where that is not the first place'),
    behind: count.optional().describe('How many children of its node stand before it'),
  })
  .describe('A property; one of strings, cells and bytes, or none where it is empty')

const node = z
  .strictObject({
    name,
    properties: z.array(property).optional(),
    get children() {
      return z.array(node).optional() as z.ZodType<readonly PlainNode[] | undefined>
    },
    nops,
    nopsAtEnd: count.optional().describe('FDT_NOPs before its FDT_END_NODE'),
    padding,
  })
  .meta({ id: 'node' })

const layout = z
  .strictObject({
    version: z.int().min(16).max(0xffff_ffff).optional(),
    last_comp_version: word.optional(),
    totalsize: word.optional(),
    off_mem_rsvmap: word.optional(),
    off_dt_struct: word.optional(),
    off_dt_strings: word.optional(),
    strings: z.array(name).optional(),
    stringsTail: hexBytes.optional(),
    nopsBeforeEnd: count.optional(),
    structTail: hexBytes.optional(),
    gaps: z.array(z.strictObject({ offset: word, data: hexBytes })).optional(),
    beyond: hexBytes.optional(),
  })
  .describe('What the blob has that its tree does not say, where it is not what dtc writes')

/** The schema of a tree in plain data: what `plainTree` answers and `buildPlainTree` takes. */
export const PLAIN_TREE = z.strictObject({
  bootCpuid: word.optional(),
  reservations: z.array(z.strictObject({ address: u64, size: u64 })).optional(),
  root: node,
  layout: layout.optional(),
}) as z.ZodObject & z.ZodType<PlainTree>
