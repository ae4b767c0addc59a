import { readdirSync, readFileSync } from 'node:fs'
import { runFirmware } from '@dmascope/firmware'
import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, type MachineDescription } from '@dmascope/machine'
import { parseQemuCommandLine } from '@dmascope/qemu'
import type { Report, ReportAssignment } from '@dmascope/report'
import { reportSchema } from '@dmascope/report/schema'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

/** What real Linux on real QEMU said to a program that asked for devices by VFIO, one set after the other. */
interface Fixture {
  readonly qemu: '7.2' | '11.1'
  readonly guest: string
  readonly arguments: readonly string[]
  readonly groups: Readonly<Record<string, number>>
  /** `reserved_regions` of each group: first and last address, and type. */
  readonly regions: Readonly<Record<string, readonly (readonly [string, string, string])[]>>
  /** Functions of which a table says that firmware goes on using memory, at addresses that were Linux's own choice. */
  readonly firmwareRegions?: readonly string[]
  readonly assignments: readonly {
    readonly devices: readonly string[]
    /** vfio_iommu_type1's parameter was set meanwhile. */
    readonly unsafeInterrupts?: true
    readonly bind: Readonly<Record<string, string>>
    readonly viable: Readonly<Record<string, boolean>>
    readonly setContainer: Readonly<Record<string, string>>
    readonly setIommu?: string
    readonly iovas: readonly (readonly [string, string])[]
    /** Answers to VFIO_IOMMU_MAP_DMA of two pages, by address. */
    readonly maps: Readonly<Record<string, string>>
    /** Lines of the log that are about VFIO. */
    readonly log: readonly string[]
  }[]
}

const FIXTURES = new URL('./assign/', import.meta.url)
const fixtures = readdirSync(FIXTURES).map((name): [string, Fixture] => [
  name.replace('.json', ''),
  JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8')) as Fixture,
])

const boot = (description: MachineDescription, guest: string): Report => {
  const { report } = runBoot({ description, guest })
  reportSchema.parse(JSON.parse(JSON.stringify(report)))
  return report
}

/** The machine, with memory of the firmware's in the devices that the fixture names. */
function describeFixture({ arguments: words, qemu, firmwareRegions = [] }: Fixture): MachineDescription {
  const description = parseQemuCommandLine(words, { qemuVersion: qemu })
  const location = { text: 'test' }
  const idOf = (address: MachineDescription['devices'][number]['addr']): string =>
    `0000:00:${address?.device.toString(16).padStart(2, '0')}.${address?.function}`
  const devices = description.devices.map((one) =>
    firmwareRegions.includes(idOf(one.addr)) ? { ...one, id: idOf(one.addr) } : one,
  )
  if (firmwareRegions.length === 0) return description
  return {
    ...description,
    devices,
    firmwareRegions: firmwareRegions.map((device) => ({ device, size: 0x4000, location })),
  }
}

const assigning = (guest: string, sets: readonly (readonly string[])[]): string =>
  [guest, ...sets.map((devices) => `assign=${devices.join('+')}`)].join(',')

/** The answer to a step, of an assignment that came so far. */
const answer = ({ steps }: ReportAssignment, request: string): string | undefined =>
  steps.find((step) => step.request.startsWith(request))?.answer

/** What was said of one set, in the fixture's terms. */
const told = (assignment: ReportAssignment) => ({
  devices: assignment.devices,
  bind: Object.fromEntries(
    assignment.devices.flatMap((id) => {
      const said = answer(assignment, `bind ${id} to vfio-pci`)
      return said === undefined ? [] : [[id, said]]
    }),
  ),
  viable: Object.fromEntries(assignment.groups.map(({ id, viable }) => [id, viable])),
  setContainer: Object.fromEntries(
    assignment.groups.map(({ id }) => [id, answer(assignment, `VFIO_GROUP_SET_CONTAINER, group ${id}`)]),
  ),
  setIommu: answer(assignment, 'VFIO_SET_IOMMU'),
  iovas: assignment.iovas.map(({ start, end }) => [start, end]),
  log: assignment.steps.flatMap(({ log }) => log ?? []),
})

/** Memory of the firmware's. */
const isDirect = ({ type }: { readonly type: string }): boolean => type === 'direct' || type === 'direct-relaxable'

describe.each(fixtures)('%s', (_name, fixture) => {
  const sets = [undefined, true].map((unsafe) => fixture.assignments.filter((one) => one.unsafeInterrupts === unsafe))
  const reports = sets.map((set, index) => {
    if (set.length === 0) return null
    const description = describeFixture(fixture)
    const append = index === 0 ? '' : ' vfio_iommu_type1.allow_unsafe_interrupts=1'
    return boot(
      { ...description, append: description.append + append },
      assigning(
        fixture.guest,
        set.map(({ devices }) => devices),
      ),
    )
  })
  const pairs = sets.flatMap((set, index) =>
    set.map((expected, at) => ({ expected, found: reports[index]!.assignments![at]! })),
  )

  it.each(pairs.map((pair) => [pair.expected.devices.join('+'), pair] as const))('%s', (_set, { expected, found }) => {
    const { unsafeInterrupts: _unsafe, maps, setIommu, iovas, ...rest } = expected
    const { iovas: ranges, ...said } = told(found)
    expect(said).toEqual({ ...rest, setIommu })
    // Memory of the firmware's is elsewhere here, and cuts what may be mapped elsewhere.
    const cut = fixture.firmwareRegions !== undefined && found.groups.some(({ regions }) => regions.some(isDirect))
    if (cut) expect(ranges.length).toBe(iovas.length)
    else expect(ranges).toEqual(iovas)
    for (const [address, said] of Object.entries(maps)) {
      const tried = found.steps.find(({ request }) => request === `VFIO_IOMMU_MAP_DMA at ${address}`)
      if (tried !== undefined) expect(`${address} ${tried.answer}`).toBe(`${address} ${said}`)
    }
  })

  it('groups and their reserved regions', () => {
    for (const { found } of pairs) {
      for (const { id, devices, regions } of found.groups) {
        for (const device of devices) expect(`${device.id} ${fixture.groups[device.id]}`).toBe(`${device.id} ${id}`)
        const text = (start: string, end: string, type: string): string =>
          fixture.firmwareRegions !== undefined && isDirect({ type }) ? type : `${start} ${end} ${type}`
        const told = regions.map(({ start, end, type }) => text(start, end, type))
        const expected = (fixture.regions[id] ?? []).map((one) => text(...one))
        expect(told.sort()).toEqual(expected.sort())
      }
    }
  })
})

const Q35 = '-M q35,kernel-irqchip=split -nodefaults -m 512'
const VTD = `${Q35} -append intel_iommu=on -device intel-iommu,intremap=on`
const F33 = 'disable-legacy=on,iommu_platform=on'
const DISK = '-drive file=a,if=none,id=d0,format=raw'

function assignments(line: string, guest: string, qemuVersion: '7.2' | '11.1' = '11.1'): Report {
  const words = `qemu-system-x86_64 ${line}`.split(/\s+/)
  return boot(parseQemuCommandLine(words, { qemuVersion }), guest)
}

describe('DMA of assigned devices', () => {
  const report = assignments(
    `${VTD} ${DISK} -device virtio-blk-pci,drive=d0,addr=2,${F33} -device virtio-rng-pci,addr=3 -device nvme,serial=a,addr=4`,
    'linux-6.12,assign=00:02.0,assign=00:03.0,assign=00:04.0,assign=00:02.0+00:04.0',
  )
  const used = report.assignments!.map((one) => one.used[0])

  it('goes where the program mapped it, and nowhere else, for devices that the IOMMU sees', () => {
    for (const one of [used[0], used[2]]) {
      expect(one).toMatchObject({ io: { ok: true }, reach: 'contained', dma: { untranslated: 0 } })
      expect(one!.dma.translated).toBeGreaterThan(0)
      expect(one!.dma.faulted).toBeGreaterThan(0)
    }
  })

  it('reaches all memory without bit 33, in a domain of its own, and the report says so', () => {
    expect(used[1]).toMatchObject({ io: { ok: false }, reach: 'open', dma: { translated: 0, faulted: 0 } })
    expect(used[1]!.dma.untranslated).toBeGreaterThan(0)
    const found = report.findings.filter(({ device }) => device === '0000:00:03.0').map(({ id }) => id)
    expect(found).toEqual(['DMA-0032', 'DMA-0003', 'DMA-0035'])
  })

  it('reaches all memory where the program’s own start of the device is what never ends', () => {
    const disk = assignments(`${VTD} ${DISK} -device virtio-blk-pci,drive=d0,addr=2`, 'linux-6.12,assign=00:02.0')
    expect(disk.assignments![0]!.used[0]).toMatchObject({ io: { attempted: true, ok: false }, reach: 'open' })
    expect(disk.findings.map(({ id }) => id)).toContain('DMA-0032')
  })

  it('may be had again, alone or with others, after the kernel had the devices back', () => {
    expect(report.assignments![3]!.used.map(({ id, io, reach }) => [id, io.ok, reach])).toEqual([
      ['0000:00:02.0', true, 'contained'],
      ['0000:00:04.0', true, 'contained'],
    ])
    for (const { returned } of report.assignments!) expect(returned.map(({ io }) => io.ok)).not.toContain(false)
  })

  it('changes nothing of what is told of the devices under the kernel', () => {
    const plain = assignments(
      `${VTD} ${DISK} -device virtio-blk-pci,drive=d0,addr=2,${F33} -device virtio-rng-pci,addr=3 -device nvme,serial=a,addr=4`,
      'linux-6.12',
    )
    const facts = ({ devices }: Report) =>
      devices.map(({ id, guest, status, verdict, io, firmwareTruth }) => ({
        id,
        guest,
        status,
        verdict,
        io,
        firmwareTruth,
      }))
    expect(facts(report)).toEqual(facts(plain))
    expect(plain.assignments).toBeUndefined()
  })

  it('reaches all memory behind an IOMMU that does not translate, whatever the domain', () => {
    const amd = (options: string) =>
      assignments(
        `${Q35} -device amd-iommu,intremap=on${options} -device virtio-rng-pci,addr=2,${F33}`,
        'linux-6.12,assign=00:02.0',
      ).assignments![0]!.used[0]
    expect(amd(',dma-remap=on')).toMatchObject({ io: { ok: true }, reach: 'contained' })
    expect(amd('')).toMatchObject({ io: { ok: false }, reach: 'open' })
  })

  it('is as contained under identity default domains: a program has a domain of its own', () => {
    const words = VTD.replace('intel_iommu=on', 'iommu.passthrough=1')
    const one = assignments(`${words} -device virtio-rng-pci,addr=2,${F33}`, 'linux-6.12,assign=00:02.0')
    expect(one.devices.find(({ id }) => id === '0000:00:02.0')?.status).toBe('passthrough')
    expect(one.assignments![0]!.used[0]).toMatchObject({ io: { ok: true }, reach: 'contained' })
  })

  it('is kept to pages of the program in scalable mode too', () => {
    const scalable = VTD.replace('intremap=on', 'intremap=on,scalable-mode=on,fsts=on')
    const one = assignments(`${scalable} -device virtio-rng-pci,addr=2,${F33}`, 'linux-6.12,assign=00:02.0')
    expect(one.assignments![0]!.used[0]).toMatchObject({ io: { ok: true }, reach: 'contained' })
  })
})

describe('DMA of assigned devices on other architectures', () => {
  const words = (line: string): string[] => line.split(/\s+/)
  const on = (line: string, guest: string): Report =>
    boot(parseQemuCommandLine(words(line), { qemuVersion: '11.1' }), guest)

  it('behind an SMMUv3 the doorbell of messages is where the kernel keeps room for it', () => {
    const arm = 'qemu-system-aarch64 -M virt,iommu=smmuv3,gic-version=3 -nodefaults -m 512 -cpu cortex-a57'
    const report = on(
      `${arm} -device virtio-rng-pci,addr=2,${F33} -device virtio-rng-pci,addr=3`,
      'linux-6.12,assign=00:02.0,assign=00:03.0',
    )
    const [contained, open] = report.assignments!.map(({ used }) => used[0])
    expect(contained).toMatchObject({ io: { ok: true }, interrupt: 'msix', reach: 'contained' })
    expect(open).toMatchObject({ reach: 'open' })
    for (const { returned } of report.assignments!) expect(returned[0]).toMatchObject({ io: { ok: true } })
  })

  it('with a GICv2m nothing isolates messages', () => {
    const arm = 'qemu-system-aarch64 -M virt,iommu=smmuv3,gic-version=2 -nodefaults -m 512 -cpu cortex-a57'
    const report = on(`${arm} -device virtio-rng-pci,addr=2,${F33}`, 'linux-6.12,assign=00:02.0')
    expect(report.assignments![0]!.refusal).toMatchObject({ answer: 'EPERM', reason: 'interrupts' })
    expect(report.findings.map(({ id }) => id)).toContain('DMA-0033')
  })

  it('behind a virtio-iommu, too', () => {
    const arm =
      'qemu-system-aarch64 -M virt,gic-version=3 -nodefaults -m 512 -cpu cortex-a57 -device virtio-iommu-pci,addr=8'
    const report = on(`${arm} -device virtio-rng-pci,addr=2,${F33}`, 'linux-6.12,assign=00:02.0')
    expect(report.assignments![0]!.used[0]).toMatchObject({ io: { ok: true }, reach: 'contained' })
    expect(report.assignments![0]!.returned[0]).toMatchObject({ io: { ok: true } })
  })

  it('in a partition a host bridge goes to one program whole, without the window that maps all memory', () => {
    const ppc = 'qemu-system-ppc64 -M pseries -nodefaults -m 1024 -cpu power9'
    const devices = `-device virtio-rng-pci,addr=2,${F33} -device nvme,serial=a,addr=4`
    const report = on(`${ppc} ${devices}`, 'linux-6.12,assign=00:02.0+00:04.0')
    expect(report.assignments![0]!.used).toMatchObject([
      { id: '0000:00:02.0', io: { ok: true }, reach: 'contained' },
      { id: '0000:00:04.0', io: { ok: true }, reach: 'contained' },
    ])
    expect(report.assignments![0]!.returned.map(({ io }) => io.ok)).toEqual([true, true])
    const old = on(`${ppc} ${devices}`, 'linux-6.1,assign=00:02.0+00:04.0')
    expect(old.assignments![0]!.refusal).toMatchObject({ answer: 'EINVAL', reason: 'no-capability' })
  })
})

describe('refusals', () => {
  it('a device whose group another device holds: who holds it, and how to have it all', () => {
    const report = assignments(
      `${VTD} -device pci-bridge,id=br,addr=2,chassis_nr=1 -device virtio-rng-pci,bus=br,addr=1 -device virtio-rng-pci,bus=br,addr=2`,
      'linux-6.12,assign=01:01.0',
    )
    const [one] = report.assignments!
    expect(one).toMatchObject({ outcome: 'refused', refusal: { answer: 'EPERM', reason: 'not-viable', log: null } })
    expect(report.findings[0]).toMatchObject({
      id: 'DMA-0030',
      device: '0000:01:01.0',
      fix: 'give the whole group to one program: assign=01:01.0+01:02.0',
    })
    expect(one!.returned).toMatchObject([{ id: '0000:01:01.0', driver: 'virtio-pci', io: { ok: true } }])
  })

  it('an address where nothing is, and an IOMMU that the kernel leaves off', () => {
    const report = assignments(
      `${VTD.replace('intel_iommu=on', 'intel_iommu=off')} -device virtio-rng-pci,addr=2`,
      'linux-6.12,assign=00:09.0,assign=00:02.0',
    )
    expect(report.assignments!.map(({ refusal }) => [refusal?.answer, refusal?.reason])).toEqual([
      ['ENOENT', 'no-device'],
      ['EINVAL', 'no-group'],
    ])
  })

  it('the IOMMU itself, whose driver Linux 6.12 does not survive losing', () => {
    const line = `${Q35} -device virtio-iommu-pci,addr=8 -device virtio-rng-pci,addr=2,${F33}`
    const report = assignments(line, 'linux-6.12,assign=00:08.0')
    expect(report.assignments![0]!.refusal).toMatchObject({ answer: 'crashes', reason: 'is-iommu' })
  })

  it('a device that waits for the driver of its IOMMU', () => {
    const report = assignments(
      `${Q35} -device virtio-iommu-pci,addr=8 -device virtio-rng-pci,addr=2,${F33}`,
      'linux-6.12,without=virtio_iommu,assign=00:02.0',
    )
    expect(report.assignments![0]!.refusal).toMatchObject({ answer: 'EAGAIN', reason: 'deferred' })
  })
})

describe('memory of the firmware’s', () => {
  const line = (iommu: string): string =>
    `${Q35} ${iommu} -device nvme,id=disk,serial=a,addr=2 -device nec-usb-xhci,id=usb,addr=3 -device e1000e,id=nic,addr=4`
  const location = { text: 'test' }
  const withAgents = (iommu: string, guest: string): Report => {
    const words = `qemu-system-x86_64 ${line(iommu)}`.split(/\s+/)
    const firmwareRegions = ['disk', 'usb'].map((device) => ({ device, size: 0x1_0000, location }))
    return boot({ ...parseQemuCommandLine(words, { qemuVersion: '11.1' }), firmwareRegions }, guest)
  }
  const agent = ({ devices }: Report, name: string) => devices.find((one) => one.name === name)?.resident
  const IOMMUS = [
    ['VT-d', '-append intel_iommu=on -device intel-iommu,intremap=on'],
    ['AMD-Vi', '-device amd-iommu,intremap=on,dma-remap=on'],
  ] as const

  it.each(IOMMUS)('%s: the kernel maps it, and what firmware left running goes on', (_name, iommu) => {
    const report = withAgents(iommu, 'linux-6.12')
    for (const name of ['disk', 'usb']) {
      expect(agent(report, name)).toMatchObject({ refused: 0, refusedAssigned: 0 })
      expect(agent(report, name)!.turns).toBeGreaterThan(0)
    }
    expect(agent(report, 'nic')).toBeUndefined()
    expect(report.devices.filter(({ name }) => name !== null).map(({ verdict }) => verdict)).toEqual([
      'works',
      'works',
      'works',
    ])
    expect(report.findings).toEqual([])
  })

  it.each(IOMMUS)('%s: a kernel that forgets it cuts it off, and the report tells', (_name, iommu) => {
    const report = withAgents(iommu, 'linux-6.12,firmware-regions=ignore')
    for (const name of ['disk', 'usb']) expect(agent(report, name)!.refused).toBeGreaterThan(0)
    expect(report.findings.map(({ id, device }) => [id, device])).toEqual([
      ['DMA-0036', '0000:00:02.0'],
      ['DMA-0036', '0000:00:03.0'],
    ])
    // What is in the way of the agent alone is in the way of no driver.
    expect(report.devices.find(({ name }) => name === 'disk')).toMatchObject({ status: 'translated', verdict: 'works' })
  })

  it('a disk that firmware uses is refused to users; a USB controller is not, and its agent falls silent', () => {
    const report = withAgents(IOMMUS[0][1], 'linux-6.12,assign=00:02.0,assign=00:03.0')
    expect(report.assignments!.map(({ refusal }) => refusal?.reason ?? null)).toEqual(['direct-mapping', null])
    expect(agent(report, 'usb')).toMatchObject({ refused: 0 })
    expect(agent(report, 'usb')!.refusedAssigned).toBeGreaterThan(0)
  })

  it('identity domains leave all as it was', () => {
    const report = withAgents('-append iommu=pt -device intel-iommu,intremap=on', 'linux-6.12')
    expect(agent(report, 'disk')).toMatchObject({ refused: 0 })
  })
})

describe('the CPU seam', () => {
  const guest = 'linux-6.12,assign=00:02.0,assign=00:03.0+00:04.0'
  const line = `${VTD} -device virtio-rng-pci,addr=2,${F33} -device virtio-rng-pci,addr=3 -device nvme,serial=a,addr=4`
  const { machine } = createMachine(
    parseQemuCommandLine(`qemu-system-x86_64 ${line}`.split(/\s+/), { qemuVersion: '11.1' }),
  )
  runFirmware(machine.bus)
  machine.endFirmwarePhase()
  const { bus, trace } = recordCpuBus(machine.bus)
  const first = bootGuest(bus, { profile: guest, witness: machine.witness })
  machine.dispose()
  const witness = { grant: () => 0, revoke: () => {}, phase: () => {} }

  it('is all that assignments are made of: on a recording they come to the same', () => {
    expect(bootGuest(replayCpuBus(trace), { profile: guest, witness })).toEqual(first)
    expect(first.assignments).toHaveLength(2)
  })

  it('may break off anywhere: the machine answers all ones from there, and nothing throws', () => {
    const { operations } = trace
    for (let part = 1; part <= 12; part++) {
      // Assignments are the last part of the boot.
      const length = Math.floor(operations.length * (0.5 + part / 26))
      const result = bootGuest(replayCpuBus({ ...trace, operations: operations.slice(0, length) }), {
        profile: guest,
        witness,
        patience: 200,
      })
      if (result.booted) expect(result.assignments).toHaveLength(2)
    }
  })
})
