import { buildIort, type IortIdMapping, type IortNode, iortNodeOffsets } from '@dmascope/acpi'
import { FIRST_SPI } from '@dmascope/gic/spec'
import type { QemuVersion } from '../description.ts'
import { qemuHeader } from '../firmware/qemu-header.ts'
import { type BusRange, busRange } from '../iommu/bus-range.ts'
import type { RootBusFacts } from '../iommu/iommu-plan.ts'
import type { SmmuPlace } from './virt-facts.ts'

/** What an IORT is made of, besides root buses. */
export interface IortFacts {
  readonly qemuVersion: QemuVersion
  readonly smmus: readonly SmmuPlace[]
  readonly its: boolean
}

/** Requester IDs [base, base + count). */
interface IdRange {
  readonly base: number
  readonly count: number
}

const ID_COUNT = 0x1_0000
/** Bytes of a root complex node of revision 3. */
const ROOT_COMPLEX_SIZE = 36

/**
 * QEMU's `build_iort`: the ITS, the SMMUs in the order of the buses behind them, and the host bridge, whose requester
 * IDs go to the SMMU that is in front of their root bus, and to the ITS where none is.
 *
 * Releases before 9.1 write one ID too many for a range that goes to the SMMU, since the field is one less than the
 * number.
 */
export function iortTable({ qemuVersion, smmus, its }: IortFacts, roots: readonly RootBusFacts[]): Uint8Array {
  const older = qemuVersion === '7.2'
  const units = smmus
    .map((smmu, index) => ({ smmu, index, behind: rangesBehind(smmu, roots) }))
    .sort((a, b) => (a.behind[0]?.base ?? 0) - (b.behind[0]?.base ?? 0))
  const nodes: IortNode[] = []
  const add = (made: IortNode): number => nodes.push(made) - 1
  const reference = (index: number): number => iortNodeOffsets({ nodes })[index] ?? 0
  const mapping = ({ base, count }: IdRange, outputReference: number, numberOfIds = count - 1): IortIdMapping => ({
    inputBase: base,
    numberOfIds,
    outputBase: base,
    outputReference,
    flags: 0,
  })

  // Beside a GICv2, older releases write the node all the same: the MADT has no ITS of its number.
  const itsAt =
    its || older ? add({ kind: 'its-group', revision: 1, identifier: 0, gicItsIdentifiers: [0], mappings: [] }) : null
  // They keep the numbers of their creation, whatever the order.
  const first = nodes.length
  const placed = units.map(({ smmu, index, behind }) => {
    // Of the machine's own SMMU, newer releases leave the number 0.
    const smmuAt = add(smmuNode(smmu.rootBus === null && !older ? 0 : first + index, smmu))
    if (itsAt !== null) mappingsOf(nodes, smmuAt).push(mapping({ base: 0, count: ID_COUNT }, reference(itsAt)))
    return { smmuAt, behind }
  })
  const bridgeAt = add(rootComplexNode(nodes.length))
  const mappings = mappingsOf(nodes, bridgeAt)
  for (const { smmuAt, behind } of placed) {
    for (const one of behind) mappings.push(mapping(one, reference(smmuAt), older ? one.count : one.count - 1))
  }
  const all = units.flatMap(({ behind }) => behind).sort((a, b) => a.base - b.base)
  if (itsAt !== null) for (const one of gapsOf(all)) mappings.push(mapping(one, reference(itsAt), gapIds(one, older)))
  const bridge = nodes[bridgeAt]
  // Where its mappings would be.
  if (bridge?.kind === 'root-complex' && mappings.length === 0) bridge.referenceToIdArray = ROOT_COMPLEX_SIZE
  return buildIort({ signature: 'IORT', header: qemuHeader(older ? 3 : 5), nodes })
}

const rangesBehind = ({ rootBus }: SmmuPlace, roots: readonly RootBusFacts[]): IdRange[] =>
  roots
    .filter(({ bypass, placed }) => (rootBus === null ? !bypass : placed === rootBus))
    .map(({ bus }) => rangeOf(busRange(bus)))
    .sort((a, b) => a.base - b.base)

const rangeOf = ({ first, last }: BusRange): IdRange => ({ base: first << 8, count: (last - first + 1) << 8 })

/** Only the last gap is written as one less in the older releases. */
const gapIds = ({ base, count }: IdRange, older: boolean): number =>
  older && base + count !== ID_COUNT ? count : count - 1

/** What of all requester IDs these ranges leave. */
function gapsOf(ranges: readonly IdRange[]): IdRange[] {
  const gaps: IdRange[] = []
  let next = 0
  for (const { base, count } of ranges) {
    if (next < base) gaps.push({ base: next, count: base - next })
    next = base + count
  }
  if (next < ID_COUNT) gaps.push({ base: next, count: ID_COUNT - next })
  return gaps
}

function mappingsOf(nodes: readonly IortNode[], index: number): IortIdMapping[] {
  const one = nodes[index]
  if (one?.kind !== 'smmuv3' && one?.kind !== 'root-complex') throw new TypeError(`node ${index} maps no IDs`)
  return one.mappings
}

const smmuNode = (identifier: number, { base, spi }: SmmuPlace): IortNode => ({
  kind: 'smmuv3',
  revision: 4,
  identifier,
  baseAddress: base,
  // COHACC_OVERRIDE.
  flags: 1,
  vatosAddress: 0,
  model: 0,
  eventGsiv: FIRST_SPI + spi,
  priGsiv: FIRST_SPI + spi + 1,
  gerrGsiv: FIRST_SPI + spi + 3,
  syncGsiv: FIRST_SPI + spi + 2,
  proximityDomain: 0,
  deviceIdMappingIndex: 0,
  mappings: [],
})

const rootComplexNode = (identifier: number): IortNode => ({
  kind: 'root-complex',
  revision: 3,
  identifier,
  memoryAccessProperties: { cacheCoherent: 1, allocationHints: 0, memoryAccessFlags: 3 },
  atsAttribute: 0,
  pciSegmentNumber: 0,
  memoryAddressSizeLimit: 64,
  pasidCapabilities: 0,
  mappings: [],
})
