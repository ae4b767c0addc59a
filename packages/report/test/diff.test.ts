import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffReports, joinReport } from '../src/index.ts'
import { accounts, guestDevice, guestResult, observation, tested, vtd } from './accounts.ts'
import { bootAccounts } from './arbitraries.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const translated = joinReport(accounts(guestResult(), [observation()]))

describe('where two reports differ', () => {
  it('is nowhere, for a report and itself', () => {
    fc.assert(
      fc.property(bootAccounts, (made) => {
        expect(diffReports(joinReport(made), joinReport(made))).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  it('is not in counts, names and reasons, which differ without meaning', () => {
    const other = joinReport(
      accounts(guestResult({ devices: [guestDevice({ why: [{ fact: 'x', source: 'y' }] })] }), [
        observation({ deviceId: 'other', msi: 99, ...tested({ translated: 1 }) }),
      ]),
    )
    expect(diffReports(translated, other)).toEqual([])
  })

  it('is in what was decided and done, a line each, with both values', () => {
    const passthrough = joinReport(
      accounts(
        guestResult({
          iommus: [vtd({ enabled: false })],
          devices: [guestDevice({ iommuGroup: null, domain: 'none', dmaPath: 'direct' })],
        }),
        [observation(tested({ untranslated: 41 }))],
        { append: 'intel_iommu=off' },
      ),
    )
    expect(diffReports(translated, passthrough)).toEqual([
      'command line: "intel_iommu=on" -> "intel_iommu=off"',
      'iommus: "dmar0 on" -> "dmar0 off"',
      '0000:00:03.0 guest.iommuGroup: 1 -> null',
      '0000:00:03.0 guest.domain: "dma-fq" -> "none"',
      '0000:00:03.0 guest.dmaPath: "iommu" -> "direct"',
      '0000:00:03.0 status: "translated" -> "passthrough"',
      '0000:00:03.0 passthrough: null -> "iommu-disabled"',
      '0000:00:03.0 findings: "" -> "DMA-0014"',
    ])
  })

  it('is in devices that only one of them has', () => {
    const both = joinReport(
      accounts(guestResult({ devices: [guestDevice(), guestDevice({ id: '0000:00:04.0' })] }), [
        observation(),
        observation({ id: '0000:00:04.0', model: 'e1000e' }),
      ]),
    )
    expect(diffReports(translated, both)).toEqual(['0000:00:04.0: only in the second (e1000e)'])
    expect(diffReports(both, translated)).toEqual(['0000:00:04.0: only in the first (e1000e)'])
  })

  it('is in the machine, the guest and whether it booted', () => {
    const other = joinReport(
      accounts(guestResult({ profile: 'linux-6.1', booted: false, halted: 'panic' }), [observation()], {
        machine: 'pc',
        qemuVersion: '7.2',
      }),
    )
    expect(diffReports(translated, other)).toEqual([
      'machine: "q35 (QEMU 11.1)" -> "pc (QEMU 7.2)"',
      'guest: "linux-6.12" -> "linux-6.1"',
      'booted: true -> false',
    ])
  })
})
