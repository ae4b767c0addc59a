import type { GuestAssignment } from '@dmascope/guest'
import { describe, expect, it } from 'vitest'
import {
  ASSIGNMENT_RULES,
  diffReports,
  formatMarkdown,
  formatText,
  formatWhy,
  joinReport,
  type Report,
} from '../src/index.ts'
import { reportSchema } from '../src/schema.ts'
import { accounts, counts, guestDevice, guestResult, observation } from './accounts.ts'

const DEVICE = '0000:00:03.0'
const LOG =
  'vfio-pci 0000:00:03.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.'

/** A device that was assigned and contained. */
const assignment = (some: Partial<GuestAssignment> = {}): GuestAssignment => ({
  devices: [DEVICE],
  refusal: null,
  groups: [
    {
      id: 1,
      viable: true,
      devices: [{ id: DEVICE, driver: 'vfio-pci', part: 'assigned' }],
      regions: [{ start: 0xfee0_0000, end: 0xfeef_ffff, type: 'msi', because: 'the interrupt address range' }],
    },
  ],
  steps: [{ request: 'bind 0000:00:03.0 to vfio-pci', answer: 'ok' }],
  iovas: [{ start: '0x0', end: '0xfedfffff' }],
  used: [
    {
      id: DEVICE,
      group: 1,
      io: { attempted: true, ok: true, hung: false, detail: 'checksum matches' },
      interrupt: 'msix',
      reach: 'contained',
      reachDetail: 'memory that was never mapped: the machine is idle',
    },
  ],
  returned: [{ id: DEVICE, driver: 'virtio-pci', io: { attempted: true, ok: true, hung: false, detail: 'read back' } }],
  ...some,
})

const refusal = (some: Partial<NonNullable<GuestAssignment['refusal']>>): Partial<GuestAssignment> => ({
  refusal: {
    request: 'VFIO_GROUP_SET_CONTAINER, group 1',
    answer: 'EPERM',
    reason: 'not-viable',
    because: 'group 1 is not viable',
    device: DEVICE,
    log: null,
    ...some,
  },
  used: [],
  iovas: [],
})

const open: Partial<GuestAssignment> = {
  used: assignment().used.map((one) => ({
    ...one,
    io: { ...one.io, ok: false, detail: 'the machine is idle' },
    reach: 'open',
  })),
}

function reportOf(...assignments: readonly GuestAssignment[]): Report {
  const seen = observation({
    dma: {
      firmware: counts(),
      probe: counts(),
      'self-test': counts({ translated: 5 }),
      assigned: counts({ translated: 7, faulted: 2 }),
    },
  })
  return joinReport(accounts(guestResult({ devices: [guestDevice()], assignments }), [seen]))
}

describe('assignments', () => {
  it('bear what the machine saw of the device meanwhile, and keep to the schema', () => {
    const report = reportOf(assignment())
    expect(report.assignments).toMatchObject([
      { outcome: 'assigned', used: [{ dma: { translated: 7, untranslated: 0, faulted: 2 }, reach: 'contained' }] },
    ])
    expect(report.assignments![0]!.groups[0]!.regions[0]).toMatchObject({ start: '0xfee00000', end: '0xfeefffff' })
    expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report)
    // Nor is the device's own status touched by it.
    expect(report.devices[0]).toMatchObject({ status: 'translated', dma: { translated: 5 }, verdict: 'works' })
  })

  it('are left out where nobody asked', () => {
    expect(joinReport(accounts(guestResult(), [observation()]))).not.toHaveProperty('assignments')
  })

  it('are shown in every view', () => {
    const report = reportOf(assignment(), assignment(refusal({ log: LOG })))
    const text = formatText(report)
    expect(text).toContain(
      "GIVEN TO USERS' PROGRAMS (VFIO)\n00:03.0  group 1, works, contained (7 translated, 0 untranslated, 2 refused)\n",
    )
    expect(text).toContain('00:03.0  refused: VFIO_GROUP_SET_CONTAINER, group 1: EPERM\n')
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
    expect(formatMarkdown(report)).toContain(
      '- `00:03.0`: refused: VFIO\\_GROUP\\_SET\\_CONTAINER'.replaceAll('\\_', '_'),
    )
    const why = formatWhy(report, report.devices[0]!)
    expect(why).toContain('given to a user group 1, works, contained')
    expect(why).toContain('group 1 reserves 0xfee00000 to 0xfeefffff, msi: the interrupt address range')
    expect(why).toContain('00:03.0 back with virtio-pci: works: read back')
    for (const line of why.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  it('tell two reports apart', () => {
    expect(diffReports(reportOf(assignment()), reportOf(assignment(open)))).toContain(
      'assignments: "0000:00:03.0 assigned contained" -> "0000:00:03.0 assigned open"',
    )
  })
})

describe('findings', () => {
  const CASES: readonly (readonly [id: string, some: Partial<GuestAssignment>, says: RegExp])[] = [
    ['DMA-0030', refusal({}), /^00:03\.0 cannot be assigned: group 1 is not viable\.$/],
    [
      'DMA-0031',
      refusal({ reason: 'direct-mapping', log: LOG }),
      /The kernel's log: "vfio-pci 0000:00:03\.0: Firmware has/,
    ],
    ['DMA-0032', open, /^00:03\.0 can be assigned, and then gives its user all memory/],
    ['DMA-0033', refusal({ reason: 'interrupts' }), /^00:03\.0 cannot be assigned/],
    ['DMA-0034', refusal({ reason: 'bridge' }), /^00:03\.0 cannot be assigned/],
    ['DMA-0035', open, /moves no data by the addresses that its user mapped: the machine is idle\.$/],
  ]

  it('are all tried below', () => {
    expect(CASES.map(([id]) => id)).toEqual(ASSIGNMENT_RULES.map(({ id }) => id))
  })

  it.each(CASES)('%s is found, and not of a device that is contained', (id, some, says) => {
    const found = reportOf(assignment(some)).findings.find((one) => one.id === id)
    expect(found).toMatchObject({ device: DEVICE })
    expect(found?.message).toMatch(says)
    expect(reportOf(assignment()).findings.map((one) => one.id)).not.toContain(id)
  })

  it('are told once of a device that is refused twice in the same words', () => {
    const twice = reportOf(assignment(refusal({})), assignment(refusal({})))
    expect(twice.findings.filter(({ id }) => id === 'DMA-0030').length).toBe(1)
  })

  it('say how to have a whole group', () => {
    const other = '0000:00:04.0'
    const groups = [
      {
        id: 1,
        viable: false,
        devices: [
          { id: DEVICE, driver: 'vfio-pci', part: 'assigned' as const },
          { id: other, driver: 'nvme', part: 'holds' as const },
          { id: '0000:00:05.0', driver: null, part: 'idle' as const },
        ],
        regions: [],
      },
    ]
    expect(reportOf(assignment({ ...refusal({ device: other }), groups })).findings[0]).toMatchObject({
      id: 'DMA-0030',
      device: DEVICE,
      fix: 'give the whole group to one program: assign=00:03.0+00:04.0',
    })
  })
})
