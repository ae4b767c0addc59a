import { buildIort, type Iort, iortNodeOffsets, parseIort, sdtHeader } from '@dmascope/acpi'

const nodes: Iort['nodes'] = [
  { kind: 'its-group', revision: 1, identifier: 0, gicItsIdentifiers: [0], mappings: [] },
  {
    kind: 'smmuv3',
    revision: 4,
    identifier: 1,
    baseAddress: 0x9050000,
    flags: 1, // COHACC_OVERRIDE
    vatosAddress: 0,
    model: 0,
    eventGsiv: 106,
    priGsiv: 107,
    gerrGsiv: 109,
    syncGsiv: 108,
    proximityDomain: 0,
    deviceIdMappingIndex: 0,
    mappings: [],
  },
  {
    kind: 'root-complex',
    revision: 3,
    identifier: 2,
    memoryAccessProperties: { cacheCoherent: 1, allocationHints: 0, memoryAccessFlags: 3 },
    atsAttribute: 0,
    pciSegmentNumber: 0,
    memoryAddressSizeLimit: 64,
    pasidCapabilities: 0,
    mappings: [],
  },
]

// References are offsets in the table, and a mapping moves only the nodes behind its own: fill in from the front.
const map = (from: number, to: number): void => {
  const outputReference = iortNodeOffsets({ nodes })[to] ?? 0
  const mapping = { inputBase: 0, numberOfIds: 0xffff, outputBase: 0, outputReference, flags: 0 }
  const node = nodes[from]
  if (node?.kind === 'smmuv3' || node?.kind === 'root-complex') node.mappings.push(mapping)
}
map(1, 0) // the SMMU's output to the ITS
map(2, 1) // all requester IDs to the SMMU

const show = (bytes: Uint8Array): void => {
  const { nodes: read, problems } = parseIort(bytes)
  for (const { kind, offset = 0 } of read) console.log(`0x${offset.toString(16)} ${kind}`)
  for (const { code, offset, message } of problems) console.log(`${code} at 0x${offset.toString(16)}: ${message}`)
}
show(buildIort({ signature: 'IORT', header: sdtHeader(5), nodes }))

// The same without the ITS: what was right now points past its mark.
show(buildIort({ signature: 'IORT', header: sdtHeader(5), nodes: nodes.slice(1) }))
