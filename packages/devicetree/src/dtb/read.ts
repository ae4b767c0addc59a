import { DeviceTree, type Reservation } from '../device-tree.ts'
import { DtNode } from '../node.ts'
import { dtbError, hex, type Problem } from '../problem.ts'
import {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_MAGIC,
  FDT_NOP,
  FDT_PROP,
  FDT_V16_HEADER_SIZE,
  fdt_header,
  fdt_reserve_entry,
} from '../spec/fdt.ts'
import { u64FromPair } from '../values.ts'
import { type BlobBlock, DtbBlob } from './blob.ts'

const { fields } = fdt_header
const reserved = fdt_reserve_entry.fields

/** What a reader may be told of a blob. */
export interface ReadOptions {
  /** A file or another name for people, for messages. */
  readonly source?: string
}

/**
 * Reads a devicetree blob of version 16 or 17 and later ones compatible with it. Everything is checked here; nodes and
 * properties are decoded when they are asked for, and are views into `bytes`, which must not change while they live.
 *
 * What is wrong but can be read past stands in the tree's `problems`.
 *
 * @throws DmascopeError `DTB_*` with the byte offset, where the blob cannot be read to its end
 */
export function parseDtb(bytes: Uint8Array, options: ReadOptions = {}): DeviceTree {
  const { source } = options
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const problems: Problem[] = []
  const { blob, bootCpuid, reservations } = readBlocks(bytes, view, problems, source)
  const root = readStructure(blob, problems, source)
  return new DeviceTree(root, { reservations, bootCpuid, blob, problems })
}

/** The header, and where the blocks lie. */
function readBlocks(bytes: Uint8Array, view: DataView, problems: Problem[], source: string | undefined) {
  if (bytes.length < FDT_V16_HEADER_SIZE) {
    throw dtbError('DTB_TRUNCATED', 0, `${bytes.length} bytes are less than a header; give the whole blob`, source)
  }
  const magic = fields.magic.get(view, 0)
  if (magic !== FDT_MAGIC) {
    throw dtbError('DTB_MAGIC', 0, `magic is ${hex(magic, 8)}, not 0xd00dfeed: this is no devicetree blob`, source)
  }
  const version = fields.version.get(view, 0)
  const lastCompVersion = fields.last_comp_version.get(view, 0)
  if (version < 16 || lastCompVersion > 17) {
    const which = `version ${version}, compatible back to ${lastCompVersion}`
    throw dtbError('DTB_VERSION', fields.version.offset, `${which}: only 16 and 17 can be read`, source)
  }
  const totalsize = fields.totalsize.get(view, 0)
  const headerSize = version >= 17 ? fdt_header.size : FDT_V16_HEADER_SIZE
  if (totalsize > bytes.length || totalsize < headerSize) {
    const message = `totalsize is ${totalsize}, and there are ${bytes.length} bytes (a header has ${headerSize})`
    throw dtbError('DTB_TRUNCATED', fields.totalsize.offset, message, source)
  }
  if (totalsize < bytes.length) {
    const message = `${bytes.length - totalsize} bytes stand behind totalsize`
    problems.push({ code: 'DTB_TRAILING', offset: totalsize, message })
  }
  const block = (name: string, offset: number, size: number, alignment: number): BlobBlock => {
    if (offset + size > totalsize || offset < headerSize) {
      const message = `the ${name} block [${hex(offset)}, ${hex(offset + size)}) does not lie in [${hex(headerSize)}, ${hex(totalsize)})`
      throw dtbError('DTB_TRUNCATED', offset, message, source)
    }
    if (offset % alignment !== 0) {
      problems.push({
        code: 'DTB_ALIGNMENT',
        offset,
        message: `the ${name} block is not aligned to ${alignment} bytes`,
      })
    }
    return { offset, size }
  }
  const structOffset = fields.off_dt_struct.get(view, 0)
  const stringsOffset = fields.off_dt_strings.get(view, 0)
  const reserveOffset = fields.off_mem_rsvmap.get(view, 0)
  // Before version 17 a structure block ends at its FDT_END, which must stand before whatever comes next.
  const structSize =
    version >= 17
      ? fields.size_dt_struct.get(view, 0)
      : Math.max(
          0,
          Math.min(totalsize, ...[stringsOffset, reserveOffset].filter((at) => at > structOffset)) - structOffset,
        )
  const structure = block('structure', structOffset, structSize, 4)
  const strings = block('strings', stringsOffset, fields.size_dt_strings.get(view, 0), 1)
  const reservations: Reservation[] = []
  const start = block('memory reservation', reserveOffset, fdt_reserve_entry.size, 8).offset
  let at = start
  for (let ended = false; !ended; at += fdt_reserve_entry.size) {
    if (at + fdt_reserve_entry.size > totalsize) {
      throw dtbError('DTB_TRUNCATED', at, 'no entry of zeros ends the memory reservation block', source)
    }
    const { address, size } = reserved
    const words = [address.hi.get(view, at), address.lo.get(view, at), size.hi.get(view, at), size.lo.get(view, at)]
    ended = words.every((word) => word === 0)
    if (!ended) {
      reservations.push({ address: u64FromPair(words[0]!, words[1]!), size: u64FromPair(words[2]!, words[3]!) })
    }
  }
  const blocks = { reservations: { offset: start, size: at - start }, structure, strings }
  checkApart(blocks, source)
  const blob = new DtbBlob(bytes, { totalsize, version, lastCompVersion }, blocks)
  return { blob, bootCpuid: fields.boot_cpuid_phys.get(view, 0), reservations }
}

function checkApart(blocks: Readonly<Record<string, BlobBlock>>, source: string | undefined): void {
  const sorted = Object.values(blocks)
    .filter(({ size }) => size > 0)
    .sort((a, b) => a.offset - b.offset)
  for (let index = 1; index < sorted.length; index++) {
    const before = sorted[index - 1]!
    const after = sorted[index]!
    if (before.offset + before.size > after.offset) {
      throw dtbError('DTB_STRUCTURE', after.offset, `a block starts within the one at ${hex(before.offset)}`, source)
    }
  }
}

/** Checks every token, and makes the nodes. */
function readStructure(blob: DtbBlob, problems: Problem[], source: string | undefined): DtNode {
  const { bytes, view } = blob
  const { offset: start, size } = blob.structure
  const end = start + size
  // A name ends at the last NUL of the strings block or before it.
  const { offset: stringsStart, size: stringsSize } = blob.strings
  let namesEnd = stringsSize
  while (namesEnd > 0 && bytes[stringsStart + namesEnd - 1] !== 0) namesEnd--

  const fail = (code: 'DTB_TRUNCATED' | 'DTB_TOKEN' | 'DTB_STRUCTURE' | 'DTB_STRING', at: number, message: string) =>
    dtbError(code, at, message, source)
  const skipPadding = (token: number, from: number): number => {
    const aligned = from + (-(from - start) & 3)
    if (aligned > end) throw fail('DTB_TRUNCATED', from, 'the structure block ends within padding')
    for (let at = from; at < aligned; at++) {
      if (bytes[at] === 0) continue
      blob.padded.add(token)
      problems.push({ code: 'DTB_PADDING', offset: at, message: `padding is ${hex(bytes[at]!, 2)}, not zero` })
      break
    }
    return aligned
  }

  let root: DtNode | null = null
  let current: DtNode | null = null
  let nops = 0
  let at = start
  for (;;) {
    if (at + 4 > end) throw fail('DTB_TRUNCATED', at, 'the structure block ends without FDT_END')
    const token = at
    const kind = view.getUint32(token)
    at += 4
    if (kind === FDT_NOP) {
      nops++
      continue
    }
    if (kind === FDT_PROP) {
      if (token + 12 > end) throw fail('DTB_TRUNCATED', token, 'the structure block ends within a property')
      if (current === null) throw fail('DTB_STRUCTURE', token, 'a property stands outside the root')
      const length = view.getUint32(token + 4)
      const nameOffset = view.getUint32(token + 8)
      if (length > end - token - 12) {
        throw fail('DTB_TRUNCATED', token, `a property of ${length} bytes goes past the structure block`)
      }
      if (nameOffset >= namesEnd) {
        throw fail(
          'DTB_STRING',
          token + 8,
          `no name starts at ${hex(nameOffset)} of ${hex(stringsSize)} bytes of strings`,
        )
      }
      if (nops > 0) blob.nops.set(token, nops)
      if (current.children.length > 0) {
        const message = 'a property behind a subnode, where libfdt and Linux do not look'
        problems.push({ code: 'DTB_LATE_PROPERTY', offset: token, message })
        const late = blob.late.get(current.sourceOffset)
        const entry = { at: token, behind: current.children.length }
        if (late === undefined) blob.late.set(current.sourceOffset, [entry])
        else late.push(entry)
      }
      at = token + 12 + length
      if ((length & 3) !== 0) at = skipPadding(token, at)
    } else if (kind === FDT_BEGIN_NODE) {
      if (current === null && root !== null) throw fail('DTB_STRUCTURE', token, 'a second root')
      while (at < end && bytes[at] !== 0) at++
      if (at >= end) throw fail('DTB_TRUNCATED', token, 'no NUL ends the name of a node')
      if (nops > 0) blob.nops.set(token, nops)
      const made = DtNode.read(blob, token)
      if (current === null) {
        root = made
        if (at > token + 4) {
          problems.push({
            code: 'DTB_ROOT_NAME',
            offset: token,
            message: `the root is named ${JSON.stringify(made.name)}`,
          })
        }
      } else current.append(made)
      current = made
      at = skipPadding(token, at + 1)
    } else if (kind === FDT_END_NODE) {
      if (current === null) throw fail('DTB_STRUCTURE', token, 'FDT_END_NODE ends no node')
      if (nops > 0) blob.nopsAtEnd.set(current.sourceOffset, nops)
      current = current.parent
    } else if (kind === FDT_END) {
      if (current !== null) throw fail('DTB_STRUCTURE', token, 'FDT_END within a node')
      if (root === null) throw fail('DTB_STRUCTURE', token, 'no root: the structure block has no node')
      blob.nopsBeforeEnd = nops
      break
    } else {
      throw fail('DTB_TOKEN', token, `${hex(kind, 8)} is no token`)
    }
    nops = 0
  }
  blob.tailSize = end - at
  // Before version 17 nothing says where the block ends: what follows is a gap.
  if (blob.tailSize > 0 && blob.version >= 17) {
    const message = `${blob.tailSize} bytes of the structure block stand behind FDT_END`
    problems.push({ code: 'DTB_STRUCT_TAIL', offset: at, message })
  }
  return root
}
