import { describe, expect, it } from 'vitest'
import { buildDmar, buildIvrs, type DeviceScope } from '../../src/index.ts'
import { lintTable, type TopologyFunction } from '../../src/lint/index.ts'
import { pci } from './lint-case.ts'

const HEADER = {
  revision: 1,
  oemId: 'BOCHS ',
  oemTableId: 'BXPC    ',
  oemRevision: 1,
  creatorId: 'BXPC',
  creatorRevision: 1,
}
const endpoint = (device: number, fn = 0): DeviceScope => ({
  kind: 'endpoint',
  flags: 0,
  enumerationId: 0,
  startBusNumber: 0,
  path: [{ device, function: fn }],
})
const dmar = (...scopes: DeviceScope[]): Uint8Array =>
  buildDmar({
    signature: 'DMAR',
    header: HEADER,
    hostAddressWidth: 47,
    flags: 1,
    records: [{ kind: 'DRHD', flags: 0, size: 0, segmentNumber: 0, registerBaseAddress: 0xfed9_0000, scopes }],
  })

/** The 82576: eight virtual functions from 00:13.0 on, every second requester ID. */
const PHYSICAL = pci('00:03.0', { virtual: { total: 8, offset: 0x80, stride: 2 } })
/** Of rules that hold a table against a machine. */
const rulesOf = (table: Uint8Array, functions: readonly TopologyFunction[]): string[] =>
  lintTable(table, { topology: { functions } })
    .map(({ rule }) => rule.id)
    .filter((id) => /-01\d\d$/.test(id))

describe('virtual functions in a topology', () => {
  it('are behind the unit of their physical function, as Linux has it', () => {
    expect(rulesOf(dmar(endpoint(3)), [PHYSICAL, pci('00:13.2')])).toEqual([])
    expect(rulesOf(dmar(endpoint(3)), [pci('00:03.0'), pci('00:13.2')])).toEqual(['DMAR-0104'])
  })

  it('may be named by scopes, there or not: the kernel looks for none', () => {
    const named = dmar(endpoint(3), endpoint(0x13), endpoint(0x14, 6))
    expect(rulesOf(named, [PHYSICAL])).toEqual([])
    expect(rulesOf(dmar(endpoint(3), endpoint(0x15)), [PHYSICAL])).toEqual(['DMAR-0101'])
    // Named itself, and its physical function not: nothing is behind the unit.
    expect(rulesOf(dmar(endpoint(0x13)), [PHYSICAL, pci('00:13.0')])).toEqual(['DMAR-0104'])
  })

  it('are named by an IVRS before they are there', () => {
    const select = (deviceId: number) => ({ kind: 'select' as const, deviceId, dteSetting: 0 })
    const ivrs = buildIvrs({
      signature: 'IVRS',
      header: HEADER,
      IVinfo: 0x2800,
      blocks: [
        {
          kind: 'IVHD-10h',
          flags: 0,
          deviceId: 0x0010,
          capabilityOffset: 0x40,
          iommuBaseAddress: 0xfed8_0000,
          pciSegmentGroup: 0,
          iommuInfo: 0,
          iommuFeatureReporting: 0,
          entries: [select(0x18), select(0x98)],
        },
      ],
    })
    expect(rulesOf(ivrs, [pci('00:02.0'), PHYSICAL])).toEqual([])
    expect(rulesOf(ivrs, [pci('00:02.0'), pci('00:03.0')])).not.toEqual([])
  })
})
