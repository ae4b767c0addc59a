import { parseIbmDmaWindow } from '../bindings/ibm-dma-window.ts'
import { type IdMapName, parseIdMap } from '../bindings/id-map.ts'
import { parseIommus } from '../bindings/iommus.ts'
import { parseMsiParent } from '../bindings/msi.ts'
import { type PhandleList, parsePhandleList } from '../bindings/phandle-list.ts'
import { parseRanges, type RangesName } from '../bindings/ranges.ts'
import { parseReg } from '../bindings/reg.ts'
import { type DeviceTree, pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import type { DtProperty } from '../property.ts'
import type { U64 } from '../values.ts'
import { hexOf } from './lines.ts'

/** Of more entries, only these are told: the value itself stands beside them. */
const SHOWN = 4

/** What a property that bears on DMA means: addresses with their sizes, and the nodes that phandles stand for. */
export function explainProperty(tree: DeviceTree, node: DtNode, { name, length }: DtProperty): string {
  if (length === 0) return ''
  return EXPLAIN.get(name)?.(tree, node) ?? ''
}

type Explain = (tree: DeviceTree, node: DtNode) => string

const number = (value: U64): string => (typeof value === 'number' ? hexOf(value) : value)
const pathFor = (tree: DeviceTree, phandle: number): string => {
  const found = tree.byPhandle(phandle)
  return found === undefined ? `no node has ${hexOf(phandle)}` : pathOf(found)
}
const listed = <T>(entries: readonly T[], text: (one: T) => string): string =>
  entries.slice(0, SHOWN).map(text).join('; ') + (entries.length > SHOWN ? `; ${entries.length - SHOWN} more` : '')

const hex2 = (value: number): string => value.toString(16).padStart(2, '0')
const bdf = (id: number): string => `${hex2((id >>> 8) & 0xff)}:${hex2((id >>> 3) & 31)}.${id & 7}`
/** The function that PCI's `phys.hi` names, bits 23:8. */
const unitOf = (upper: number): string => (upper === 0 ? '' : `${bdf(upper >>> 8)} `)

const withArgs = ({ entries, problem }: PhandleList): string =>
  [
    listed(entries, ({ node, args }) => [pathOf(node), ...args.map(hexOf)].join(' ')),
    ...(problem === null ? [] : [problem]),
  ]
    .filter((text) => text !== '')
    .join('; ')

const idMap =
  (name: IdMapName): Explain =>
  (tree, node) => {
    const map = parseIdMap(node, name)
    if (map === null) return ''
    return listed(map.entries, ({ inputBase, phandle, outputBase, length }) => {
      const last = inputBase + length - 1
      const ids = last > 0xffff ? `${hexOf(inputBase)}-${hexOf(last)}` : `${bdf(inputBase)}-${bdf(last)}`
      return `${ids} to ${pathFor(tree, phandle)} from ${hexOf(outputBase)}`
    })
  }

const ranges =
  (name: RangesName): Explain =>
  (_tree, node) =>
    listed(
      parseRanges(node, name).entries,
      ({ child, parent, size }) => `${number(child)} is ${number(parent)}, ${number(size)} bytes`,
    )

const phandles =
  (name: string): Explain =>
  (tree, node) =>
    listed(node.cells(name), (phandle) => pathFor(tree, phandle))

const EXPLAIN: ReadonlyMap<string, Explain> = new Map(
  Object.entries<Explain>({
    reg: (_tree, node) =>
      listed(parseReg(node), ({ upper, address, size }) =>
        Number(size) === 0
          ? `${unitOf(upper)}${upper === 0 ? number(address) : ''}`.trim()
          : `${unitOf(upper)}${number(address)}, ${number(size)} bytes`,
      ),
    ranges: ranges('ranges'),
    'dma-ranges': ranges('dma-ranges'),
    iommus: (tree, node) => withArgs(parseIommus(tree, node)),
    'iommu-map': idMap('iommu-map'),
    'msi-map': idMap('msi-map'),
    'msi-parent': (tree, node) => withArgs(parseMsiParent(tree, node)),
    'power-domains': (tree, node) => withArgs(parsePhandleList(tree, node, 'power-domains', '#power-domain-cells')),
    'interrupt-parent': phandles('interrupt-parent'),
    'memory-region': phandles('memory-region'),
    'ibm,dma-window': (_tree, node) =>
      listed(
        parseIbmDmaWindow(node),
        ({ liobn, address, size }) => `LIOBN ${hexOf(liobn)}: ${number(size)} bytes from ${number(address)}`,
      ),
  }),
)
