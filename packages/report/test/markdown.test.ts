import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatMarkdown, joinReport } from '../src/index.ts'
import { accounts, guestDevice, guestResult, observation, tested, withIo } from './accounts.ts'
import { bootAccounts } from './arbitraries.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const NO_33 = { offered: [32], negotiated: [32], accessPlatform: false, status: 0x0f }
const PAST = { behindIommu: false, ...tested({ untranslated: 9 }) }

/** Cells of a table's row: bars that no backslash precedes part them. */
const cellsOf = (row: string): string[] => row.split(/(?<!\\)\|/).slice(1, -1)

describe('the Markdown report', () => {
  it('has the table, then findings as a numbered list', () => {
    const report = joinReport(
      accounts(
        guestResult({
          devices: [
            guestDevice({ id: '0000:00:02.0', virtio: NO_33, dmaPath: 'physical' }),
            guestDevice({ id: '0000:00:03.0', virtio: NO_33, dmaPath: 'physical' }),
            guestDevice({ id: '0000:00:04.0' }),
            guestDevice({ id: '0000:00:1f.0', ...withIo({ attempted: false, ok: false }) }),
          ],
        }),
        [
          observation({ id: '0000:00:02.0', ...PAST }),
          observation({ id: '0000:00:03.0', ...PAST, described: null, model: 'virtio-rng-pci' }),
          observation({ id: '0000:00:04.0' }),
          observation({ id: '0000:00:1f.0', model: 'ICH9-LPC', deviceId: null, ...tested({}) }),
          observation({ id: '0000:80:00.0', model: 'nvme' }),
        ],
      ),
    )
    expect(formatMarkdown(report)).toBe(`\
**q35 (QEMU 11.1) · guest linux-6.12 · intel_iommu=on**

- dmar0 VT-d, 48 bit, at 0xfed90000: enabled, default domain DMA-FQ, interrupts remapped

| Device | Kind | Firmware says | Guest decided | DMA seen | Verdict | Findings |
|---|---|---|---|---|---|---|
| \`00:02.0\` | virtio-blk | behind dmar0 | group 1, DMA-FQ | passthrough 9/9 | works | (1) |
| \`00:03.0\` | virtio-rng | behind dmar0 | group 1, DMA-FQ | passthrough 9/9 | works | (1) |
| \`00:04.0\` | virtio-blk | behind dmar0 | group 1, DMA-FQ | translated 41/41 | works |  |

No DMA, no findings: 00:1f.0 ICH9-LPC

Never seen by the guest: 80:00.0 nvme

1. **DMA-0003** warning: 00:02.0, 00:03.0: each bypasses the IOMMU although the firmware puts it behind dmar0. It does not offer VIRTIO_F_ACCESS_PLATFORM, so the guest gives it physical addresses.
   <br>Fix for 00:02.0: \`-device virtio-blk-pci,...,iommu_platform=on,disable-legacy=on\`
   <br>Fix for 00:03.0: \`-device virtio-rng-pci,...,iommu_platform=on,disable-legacy=on\`

2 devices in passthrough, 1 translated, 1 without DMA, 1 finding.
`)
  })

  it('escapes bars in cells, and markup everywhere', () => {
    const report = joinReport(
      accounts(
        guestResult({ devices: [guestDevice({ refusal: 'not `this` | <b>\nnor *that*' })] }),
        [observation({ model: 'a|b\\|c' })],
        { append: 'a|b *c*' },
      ),
    )
    const text = formatMarkdown(report)
    expect(text).toContain('**q35 (QEMU 11.1) · guest linux-6.12 · a|b \\*c\\***')
    expect(text).toContain('00:03.0 was refused: not \\`this\\` | \\<b> nor \\*that\\*.')
    const row = text.split('\n').find((line) => line.includes('`00:03.0`')) as string
    expect(cellsOf(row)).toHaveLength(7)
    expect(cellsOf(row)[1]).toBe(' a\\|b\\\\\\|c ')
  })

  it('has seven cells in each row, whatever the accounts', () => {
    fc.assert(
      fc.property(bootAccounts, (made) => {
        const text = formatMarkdown(joinReport(made))
        const rows = text.split('\n').filter((line) => line.startsWith('| '))
        for (const row of rows) expect(cellsOf(row)).toHaveLength(7)
      }),
      { numRuns: RUNS },
    )
  })

  it('says that the guest did not boot, and why', () => {
    const report = joinReport(
      accounts(guestResult({ booted: false, halted: 'no memory', devices: [], iommus: [] }), []),
    )
    expect(formatMarkdown(report)).toBe(`\
**q35 (QEMU 11.1) · guest linux-6.12 · intel_iommu=on**

- no IOMMU in the firmware tables

**The guest did not boot:** no memory

0 devices in passthrough, 0 translated, 0 without DMA, no findings.
`)
  })
})
