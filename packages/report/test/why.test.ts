import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatWhy, joinReport } from '../src/index.ts'
import { accounts, guestDevice, guestResult, observation, tested, withIo } from './accounts.ts'
import { bootAccounts } from './arbitraries.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

describe('the reasons for one device', () => {
  it('come as a summary, a numbered chain with sources and bytes, and the device’s findings', () => {
    const why = [
      { fact: 'the table puts it behind dmar0', source: 'DMAR @0x1ffe2334 +0x58', bytes: '01 08 00 00 00 00 03 00' },
      { fact: `${'long '.repeat(30)}end`, source: 'a rule' },
    ]
    const report = joinReport(
      accounts(
        guestResult({
          devices: [
            guestDevice({ id: '0000:00:02.0', domain: 'identity' }),
            guestDevice({ why, domain: 'identity', dmaPath: 'direct' }),
          ],
        }),
        [
          observation({ id: '0000:00:02.0', ...tested({ untranslated: 3 }) }),
          observation(tested({ reads: 3, untranslated: 3 })),
        ],
      ),
    )
    expect(formatWhy(report, report.devices[1]!)).toBe(`\
00:03.0 virtio-blk [1af4:1042] · q35 (QEMU 11.1) · guest linux-6.12 · intel_iommu=on

firmware says   behind dmar0 (DMAR DRHD 0xfed90000, scope 00:03.0)
guest decided   group 1, identity; addresses: direct
DMA seen        passthrough 3/3: the kernel gave it an identity domain
firmware truth  honest: tables and wiring agree
verdict         works: checksum matches

  1. the table puts it behind dmar0
     from DMAR @0x1ffe2334 +0x58
     01 08 00 00 00 00 03 00
  2. ${'long '.repeat(19).trim()}
     ${'long '.repeat(11)}end
     from a rule
  3. its DMA enters the IOMMU
     from wiring of the machine
  4. self-test: 3 reads, 0 writes, 0 bytes; 0 translated, 3 untranslated, 0 refused
     from DMA ledger

DMA-0008 note: 00:03.0 is behind the IOMMU, in an identity domain: its addresses are physical.
Fix: boot without iommu=pt and iommu.passthrough=1
`)
  })

  it.each([
    ['honest', {}, true, 'honest: tables and wiring agree'],
    ['a false claim', {}, false, 'false: the tables put it behind an IOMMU, and it is wired past it'],
    [
      'an omission',
      { firmware: { covered: false, by: null } },
      true,
      'false: the tables leave it out, and it is wired',
    ],
  ])('tell whether the firmware told the truth: %s', (_what, device, behindIommu, says) => {
    const report = joinReport(accounts(guestResult({ devices: [guestDevice(device)] }), [observation({ behindIommu })]))
    expect(formatWhy(report, report.devices[0]!)).toContain(`firmware truth  ${says}`)
  })

  it('say so where there was no test, no group and no address', () => {
    const device = guestDevice({
      iommuGroup: null,
      domain: 'none',
      dmaPath: null,
      ...withIo({ attempted: false, ok: false, detail: '' }),
    })
    const report = joinReport(
      accounts(guestResult({ iommus: [], devices: [device] }), [observation({ behindIommu: false, ...tested({}) })]),
    )
    expect(formatWhy(report, report.devices[0]!)).toContain(`\
firmware says   no IOMMU (DMAR DRHD 0xfed90000, scope 00:03.0)
guest decided   no group; addresses: none given
DMA seen        none seen
firmware truth  silent: the tables name no IOMMU, and the device is behind none
verdict         untested
`)
  })

  it('fit in 100 columns, whatever the accounts, and number every step', () => {
    fc.assert(
      fc.property(bootAccounts, (made) => {
        const report = joinReport(made)
        for (const device of report.devices) {
          const lines = formatWhy(report, device).split('\n')
          expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100)
          const last = `${device.why.length}. `
          expect(lines.some((line) => line.trimStart().startsWith(last.trim()))).toBe(true)
        }
      }),
      { numRuns: RUNS },
    )
  })
})
