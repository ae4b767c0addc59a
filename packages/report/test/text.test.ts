import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatText, joinReport, type Report, type ReportDevice, type Style } from '../src/index.ts'
import { wrap } from '../src/views/columns.ts'
import {
  accounts,
  counts,
  guestDevice,
  guestResult,
  observation,
  stray,
  tested,
  vtd,
  withIo,
  withStrays,
} from './accounts.ts'
import { bootAccounts } from './arbitraries.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const WIDTH = 100
const PAST = { behindIommu: false, ...tested({ reads: 9, untranslated: 9 }) }
const NO_33 = { offered: [32], negotiated: [32], accessPlatform: false, status: 0x0f }
const { virtio: _virtio, ...card } = guestDevice({ io: { ...guestDevice().io, kind: 'net' } })

/** A machine as the default one: two disks and a random source, a card, and the chipset. */
const small: Report = joinReport(
  accounts(
    guestResult({
      devices: [
        guestDevice({ id: '0000:00:00.0', iommuGroup: 0, ...withIo({ attempted: false, ok: false }) }),
        guestDevice({ id: '0000:00:02.0' }),
        guestDevice({ id: '0000:00:03.0', iommuGroup: 2, virtio: NO_33, dmaPath: 'physical' }),
        guestDevice({ id: '0000:00:05.0', iommuGroup: 3, virtio: NO_33, dmaPath: 'physical' }),
        { ...card, id: '0000:00:06.0', iommuGroup: 4 },
        { ...card, id: '0000:00:07.0', iommuGroup: 5, ...withIo({ ok: false, hung: true, detail: '' }) },
        guestDevice({ id: '0000:00:1f.0', iommuGroup: 6, ...withIo({ attempted: false, ok: false }) }),
      ],
      timeline: ['DMAR: one unit at 0xfed90000', 'word '.repeat(30).trim()],
    }),
    [
      observation({ id: '0000:00:00.0', model: 'mch', deviceId: null, ...tested({}) }),
      observation({ id: '0000:00:02.0' }),
      observation({ id: '0000:00:03.0', ...PAST }),
      observation({ id: '0000:00:05.0', model: 'virtio-rng-pci', described: null, ...PAST }),
      observation({ id: '0000:00:06.0', model: 'e1000e', ...tested({ translated: 8 }) }),
      observation({ id: '0000:00:07.0', model: 'e1000e', ...PAST, ...withStrays(stray()) }),
      observation({ id: '0000:00:1f.0', model: 'ICH9-LPC', deviceId: null, ...tested({}) }),
      observation({ id: '0000:80:00.0', model: 'nvme', deviceId: null, ...tested({}) }),
    ],
    { source: 'preset', name: 'default' },
  ),
)

const linesOf = (text: string): string[] => text.split('\n')
const longest = (text: string): number => Math.max(...linesOf(text).map((line) => line.length))

describe('the text report', () => {
  it('says of a machine that QEMU has none, where its devices are QEMU’s', () => {
    const first = (machine: Partial<Report['machine']>): string | undefined => {
      const report = { ...small, machine: { ...small.machine, type: 'bcm3384', ...machine } }
      return linesOf(formatText(report, { whyCommand: '' }))[0]
    }
    expect(first({ addedWindows: 2 })).toMatch(/^bcm3384 \(devices of QEMU 11\.1, which has no such machine\), preset/)
    expect(first({ hypervisor: 'physical' })).toMatch(/^bcm3384 \(hypervisor physical\), preset/)
  })

  it('has a headline, the IOMMUs, a table, and findings with what to write instead', () => {
    expect(formatText(small, { whyCommand: 'dmascope boot --why' })).toBe(
      `\
q35 (QEMU 11.1), preset default · guest linux-6.12 · intel_iommu=on
dmar0  VT-d, 48 bit, at 0xfed90000: enabled, default domain DMA-FQ, interrupts remapped

DEVICE               FIRMWARE SAYS  GUEST DECIDED    DMA SEEN            VERDICT
00:02.0  virtio-blk  behind dmar0   group 1  DMA-FQ  translated   41/41  works
00:03.0  virtio-blk  behind dmar0   group 2  DMA-FQ  passthrough  9/9    works    (2)
00:05.0  virtio-rng  behind dmar0   group 3  DMA-FQ  passthrough  9/9    works    (2)
00:06.0  e1000e      behind dmar0   group 4  DMA-FQ  translated   8/8    works
00:07.0  e1000e      behind dmar0   group 5  DMA-FQ  passthrough  9/9    hangs    (1) (3)

no DMA, no findings: 00:00.0 mch, 00:1f.0 ICH9-LPC

(1) DMA-0004 error: 00:07.0 never completes a request: 1 access went astray, the first a read of 2
    bytes at 0xfffff000 in ROM. It takes the IOVAs that it was given for physical addresses.

(2) DMA-0003 warning: 00:03.0, 00:05.0: each bypasses the IOMMU although the firmware puts it behind
    dmar0. It does not offer VIRTIO_F_ACCESS_PLATFORM, so the guest gives it physical addresses.
    Fix for 00:03.0: -device virtio-blk-pci,...,iommu_platform=on,disable-legacy=on
    Fix for 00:05.0: -device virtio-rng-pci,...,iommu_platform=on,disable-legacy=on

(3) DMA-0003 warning: 00:07.0 bypasses the IOMMU although the firmware puts it behind dmar0. It is
    wired past it.
    Fix: wire the device behind the IOMMU, or leave it out of the tables

never seen by the guest: 80:00.0 nvme

3 devices in passthrough, 2 translated, 2 without DMA, 3 findings.
Evidence: dmascope boot --why 00:07.0
`,
    )
  })

  it('gives functions without DMA lines of their own, and the timeline, when asked to', () => {
    const text = formatText(small, { verbose: true })
    expect(text).toContain('00:00.0  mch         behind dmar0   group 0  DMA-FQ  none seen           untested\n')
    expect(text).not.toContain('no DMA, no findings')
    expect(text).toContain(
      `   1  DMAR: one unit at 0xfed90000\n   2  ${'word '.repeat(18)}word\n      ${'word '.repeat(10)}word\n`,
    )
    expect(longest(text)).toBeLessThanOrEqual(WIDTH)
  })

  it('keeps a device in the table that the user named, or that was tested, or of which something was found', () => {
    const idle = withIo({ attempted: false, ok: false })
    const shown = (device: Partial<ReportDevice>): boolean => {
      const [first] = small.devices as [ReportDevice]
      return formatText({ ...small, devices: [{ ...first, ...device }] }).includes('DEVICE')
    }
    expect(idle.io.attempted).toBe(false)
    expect(shown({})).toBe(false)
    expect(shown({ name: 'rp0' })).toBe(true)
    expect(shown({ findings: ['DMA-0007'] })).toBe(true)
    expect(shown({ status: 'blocked' })).toBe(true)
    expect(shown({ verdict: 'refused' })).toBe(true)
  })

  it('numbers findings from 1 in the order of the report, and marks their devices with these numbers', () => {
    const text = formatText(small)
    const numbers = linesOf(text).flatMap((line) => /^\((\d+)\) DMA/.exec(line)?.[1] ?? [])
    expect(numbers).toEqual(['1', '2', '3'])
    const marked = linesOf(text).filter((line) => /^\d\d:/.test(line) && line.includes('('))
    expect(marked.map((line) => `${line.slice(0, 7)} ${line.slice(line.indexOf('('))}`)).toEqual([
      '00:03.0 (2)',
      '00:05.0 (2)',
      '00:07.0 (1) (3)',
    ])
  })

  it('keeps findings apart that differ in more than the device', () => {
    const ids = ['0000:00:02.0', '0000:00:03.0']
    const report = joinReport(
      accounts(guestResult({ devices: ids.map((id, index) => guestDevice({ id, refusal: `reason ${index}` })) }), [
        ...ids.map((id) => observation({ id })),
      ]),
    )
    expect(formatText(report)).toMatch(/\(1\) DMA-0009 error: 00:02\.0 was refused: reason 0\.\n[\s\S]*\(2\) DMA-0009/)
  })

  it('gives one fix once where all devices have it', () => {
    const ids = ['0000:00:02.0', '0000:00:03.0', '0000:00:04.0']
    const report = joinReport(
      accounts(guestResult({ devices: ids.map((id) => guestDevice({ id, domain: 'identity' })) }), [
        ...ids.map((id) => observation({ id, ...tested({ untranslated: 1 }) })),
      ]),
    )
    expect(formatText(report)).toContain(`\
(1) DMA-0008 note: 00:02.0, 00:03.0, 00:04.0: each is behind the IOMMU, in an identity domain: its
    addresses are physical.
    Fix: boot without iommu=pt and iommu.passthrough=1
`)
    expect(report.findings).toHaveLength(3)
  })

  it('says so where there is no IOMMU, and where the guest did not boot', () => {
    const report = joinReport(
      accounts(guestResult({ iommus: [], booted: false, halted: 'no RSDP found', devices: [] }), [observation()]),
    )
    expect(formatText(report)).toBe(`\
q35 (QEMU 11.1) · guest linux-6.12 · intel_iommu=on
no IOMMU in the firmware tables
the guest did not boot: no RSDP found

never seen by the guest: 00:03.0 virtio-blk-pci

0 devices in passthrough, 0 translated, 0 without DMA, no findings.
`)
  })

  it('keeps 40 devices with long names and every finding within 100 columns', () => {
    const ids = Array.from({ length: 40 }, (_, index) => `0001:${(index + 16).toString(16)}:1f.7`)
    const report = joinReport(
      accounts(
        guestResult({
          iommus: [vtd({ id: 'dmar10' })],
          devices: ids.map((id, index) =>
            guestDevice({
              id,
              iommuGroup: 100 + index,
              domain: 'identity',
              virtio: NO_33,
              ...withIo({ ok: false, hung: true, wrongData: index % 2 === 0, detail: `sector ${index}` }),
            }),
          ),
        }),
        ids.map((id) =>
          observation({
            id,
            model: 'vhost-user-something-with-a-very-long-name-pci-non-transitional',
            ...PAST,
            dma: { ...observation().dma, 'self-test': counts({ untranslated: 1_234_567 }) },
            ...withStrays(
              stray({ kind: 'write', landed: 'ram', physical: `0x${id.slice(5, 7)}000`, before: '00', after: 'ff' }),
            ),
            faults: [{ address: '0x1000', reason: 6, text: 'read: no', phase: 'firmware' }],
          }),
        ),
      ),
    )
    const text = formatText(report, { whyCommand: 'dmascope boot --why' })
    expect(longest(text)).toBeLessThanOrEqual(WIDTH)
    const rows = linesOf(text).filter((line) => /^0001:..:1f\.7 /.test(line))
    expect(rows).toHaveLength(40)
    expect(rows[0]).toMatch(/^0001:10:1f\.7 {2}vhost-u… {2}behind dmar10 {2}group 100 {2}identity {2}passthrough/)
    expect(rows[0]).toContain('1234k/1234k')
    for (const number of [1, 2, 41]) expect(text).toContain(`(${number}) DMA-`)
  })

  it('is never wider than 100 columns, and marks each device with its findings, whatever the accounts', () => {
    fc.assert(
      fc.property(bootAccounts, fc.boolean(), (made, verbose) => {
        const report = joinReport(made)
        const text = formatText(report, { verbose })
        expect(longest(text)).toBeLessThanOrEqual(WIDTH)
        for (const { id } of report.findings) if (!text.includes(`) ${id} `)) expect(text).toContain(id)
        expect(text).not.toMatch(/[ \t]\n/)
      }),
      { numRuns: RUNS },
    )
  })

  it('paints after laying out: colours change no column', () => {
    const mark =
      (name: string) =>
      (text: string): string =>
        `<${name}>${text}</${name}>`
    const style: Style = { bold: mark('b'), dim: mark('d'), good: mark('g'), warn: mark('w'), bad: mark('r') }
    const painted = formatText(small, { style, whyCommand: 'dmascope boot --why' })
    expect(painted.replace(/<\/?[bdgwr]>/g, '').replace(/ +$/gm, '')).toBe(
      formatText(small, { whyCommand: 'dmascope boot --why' }),
    )
    expect(painted).toContain('<g>translated </g>')
    expect(painted).toContain('<w>passthrough</w>')
    expect(painted).toContain('<r>hangs    (1) (3)</r>')
    expect(painted).toContain('<b>Fix:</b>')
  })
})

describe('wrap', () => {
  it('breaks at spaces, and leaves what fits as it is', () => {
    expect(wrap('two  spaces', 11)).toEqual(['two  spaces'])
    expect(wrap('aa bb cc', 5)).toEqual(['aa bb', 'cc'])
    expect(wrap('aa bb cc', 5, 2)).toEqual(['aa bb', '  cc'])
    expect(wrap('one\ntwo', 80)).toEqual(['one two'])
    expect(wrap('', 80)).toEqual([])
  })

  it('breaks words that are longer than a line', () => {
    expect(wrap('abcdefgh', 3)).toEqual(['abc', 'def', 'gh'])
    expect(wrap('a bcdefgh', 4, 1)).toEqual(['a', ' bcd', ' efg', ' h'])
  })

  it('loses and adds no letter, and keeps to the width', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), fc.integer({ min: 5, max: 30 }), fc.nat(3), (text, width, indent) => {
        const lines = wrap(text, width, indent)
        expect(lines.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''))
        expect(lines.every((line) => line.length <= width)).toBe(true)
      }),
      { numRuns: RUNS },
    )
  })
})
