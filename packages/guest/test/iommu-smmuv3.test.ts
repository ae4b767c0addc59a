import { smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import { PCIE_ROOT_PORT, PCIE_TO_PCI_BRIDGE } from '@dmascope/pci/spec'
import { describe, expect, it } from 'vitest'
import { pci, requesterOf } from './iommu-machine.ts'
import { DOORBELL, EVERYTHING, RAM_BASE, SMMU_BASE, SmmuMachine } from './smmu-machine.ts'

const READ = 1
const WRITE = 2
const DISK = pci('00:02.0')
const NIC = pci('00:03.0')
const BUFFER = RAM_BASE + 0x10_0000
const F_TRANSLATION = 0x10
const ABORTED = 0x80
const C_BAD_STREAMID = 0x02

/** Offsets of the manual. */
const CR0 = 0x20
const STRTAB_BASE_CFG = 0x88
const CMDQ_BASE = 0x90
const CMDQ_PROD = 0x98
const EVENTQ_BASE = 0xa0
const EVENTQ_CONS = 0x1_00ac

/** Opcodes of all commands that were sent, in order. */
function commands(machine: SmmuMachine): number[] {
  const base = machine.writes.find(({ offset }) => offset === CMDQ_BASE)!.value & -0x10_0000
  const last = machine.writes.findLast(({ offset }) => offset === CMDQ_PROD)!.value
  return Array.from({ length: last }, (_, index) => machine.ram.read32((base >>> 0) + index * 16) & 0xff)
}

/** Words of the command with this number. */
function command(machine: SmmuMachine, number: number): number[] {
  const base = (machine.writes.find(({ offset }) => offset === CMDQ_BASE)!.value & -0x10_0000) >>> 0
  return [0, 4, 8, 12].map((word) => machine.ram.read32(base + number * 16 + word))
}

describe('bringing an SMMUv3 up, in the order of arm_smmu_device_reset', () => {
  it('registers are written in Linux’s order, with its values', () => {
    const machine = new SmmuMachine()
    machine.boot([DISK])
    const written = machine.writes.map(({ offset, value }) => [offset, value])
    const at = (wanted: number): number => machine.writes.find(({ offset }) => offset === wanted)!.value
    expect(written).toEqual([
      // 1. Off.
      [CR0, 0],
      // 2. Attributes; PTM and RECINVSID.
      [0x28, 0xd75],
      [0x2c, 6],
      // 3. The stream table: two levels, split at 8, 16 bits.
      [0x80, at(0x80)],
      [0x84, 0x4000_0000],
      [STRTAB_BASE_CFG, 0x1_0210],
      // 4. The command queue, of 65536 entries; configuration and TLB are invalidated.
      [CMDQ_BASE, at(CMDQ_BASE)],
      [0x94, 0x4000_0000],
      [CMDQ_PROD, 0],
      [0x9c, 0],
      [CR0, 8],
      [CMDQ_PROD, 2],
      [CMDQ_PROD, 4],
      // 5. The event queue, of 32768 entries.
      [EVENTQ_BASE, at(EVENTQ_BASE)],
      [0xa4, 0x4000_0000],
      [0x1_00a8, 0],
      [EVENTQ_CONS, 0],
      [CR0, 0xc],
      // 6. Interrupts off and on.
      [0x50, 0],
      [0x50, 5],
      // 7. On.
      [CR0, 0xd],
    ])
    expect(at(CMDQ_BASE) & 0xf_ffff).toBe(16)
    expect(at(EVENTQ_BASE) & 0xf_ffff).toBe(15)
    expect(commands(machine)).toEqual([0x04, 0x46, 0x30, 0x46])
    expect(machine.log).toEqual([
      'arm-smmu-v3 9050000.smmuv3: ias 44-bit, oas 44-bit (features 0x00088705)',
      'arm-smmu-v3 9050000.smmuv3: allocated 65536 entries for cmdq',
      'arm-smmu-v3 9050000.smmuv3: allocated 32768 entries for evtq',
    ])
    // What was cut off to align the queues is free again.
    expect(machine.pages.live.size).toBe(256 + 256 + 1)
  })

  it('QEMU 7.2: one stage, and no GBPA', () => {
    const machine = new SmmuMachine(smmuv3OptionsFor('7.2'))
    machine.boot([])
    expect(machine.log[0]).toBe('arm-smmu-v3 9050000.smmuv3: ias 44-bit, oas 44-bit (features 0x00008305)')
  })

  it('a unit that firmware left on is first made to abort, then reset', () => {
    const machine = new SmmuMachine()
    machine.unit.write(CR0, 4, 1)
    machine.boot([])
    expect(machine.writes.slice(0, 2)).toEqual([
      { offset: 0x44, value: 0x8010_1000 },
      { offset: CR0, value: 0 },
    ])
    expect(machine.log).toContain('arm-smmu-v3 9050000.smmuv3: SMMU currently enabled! Resetting...')
  })

  it('streams that nobody has announced are out of range; those of a known bus are aborted', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK, NIC])
    expect(machine.access(requesterOf(DISK), BUFFER)).toEqual({ event: C_BAD_STREAMID })
    iommu.configure(DISK)
    expect(machine.access(requesterOf(NIC), BUFFER)).toEqual({ event: ABORTED })
    expect(machine.access(0x100, BUFFER)).toEqual({ event: C_BAD_STREAMID })
  })

  it('Linux 6.1 lets them pass where its driver is told to; 6.12 knows no such parameter', () => {
    for (const [guest, expected] of [
      ['linux-6.1', { to: BUFFER, route: 'bypass' }],
      ['linux-6.12', { event: ABORTED }],
    ] as const) {
      const machine = new SmmuMachine()
      const iommu = machine.boot([DISK, NIC], { guest, append: 'arm-smmu-v3.disable_bypass=0' })
      iommu.configure(DISK)
      expect(machine.access(requesterOf(NIC), BUFFER)).toEqual(expected)
    }
  })

  it('few streams: a linear table', () => {
    const machine = new SmmuMachine({ streamIdBits: 8 })
    const iommu = machine.boot([DISK])
    expect(machine.writes.find(({ offset }) => offset === STRTAB_BASE_CFG)!.value).toBe(8)
    expect(machine.access(0x55, BUFFER)).toEqual({ event: ABORTED })
    iommu.configure(DISK)
    expect(iommu.group(DISK)).toBe(0)
  })

  it('more streams than the first level may have entries: those that it covers', () => {
    const machine = new SmmuMachine()
    machine.lies.set(0x04, 0x0273_0020)
    machine.boot([])
    expect(machine.writes.find(({ offset }) => offset === STRTAB_BASE_CFG)!.value).toBe(0x1_0219)
    expect(machine.log[0]).toBe('arm-smmu-v3 9050000.smmuv3: 2-level strtab only covers 25/32 bits of SID')
  })

  it.each([
    ['all ones', 0x00, 0xffff_ffff, 'unknown or unsupported endianness of translation tables'],
    ['no stages', 0x00, 0x0d44_1018, 'no translation support'],
    ['stage 2 alone', 0x00, 0x0d44_1019, 'only stage 2 is there, for which this kernel has no domains'],
    ['AArch32 tables', 0x00, 0x0d44_1017, 'the AArch64 table format is not supported'],
    ['preset queues', 0x04, 0x2273_0010, 'an embedded implementation is not supported'],
    ['a short command queue', 0x04, 0x00d3_0010, 'a command queue of 2^6 entries is not supported'],
    ['no granule of 4 KiB', 0x14, 0x64, 'no granule of 4 KiB'],
    ['CR0 that is not acknowledged', 0x24, 0x10, 'failed to clear cr0'],
    ['a command queue that does not move', 0x9c, 0x1_0000, 'the command queue does not move'],
  ])('%s: the kernel goes on without it', (_name, offset, value, why) => {
    const machine = new SmmuMachine()
    machine.lies.set(offset, value)
    const iommu = machine.boot([DISK])
    expect(iommu.configure(DISK)).toBe('ready')
    expect(iommu.iommus).toMatchObject([{ kind: 'smmuv3', exposed: true, enabled: false, default: 'none' }])
    expect(iommu.iommus[0]!.why.map(({ fact }) => fact)).toContain(`it stays off: ${why}`)
    expect([iommu.group(DISK), iommu.domainType(DISK), iommu.coverage(DISK).covered]).toEqual([null, 'none', true])
    expect(iommu.dmaOps(DISK, 64).kind).toBe('direct')
  })

  it('no memory for a queue: the kernel goes on without it', () => {
    const machine = new SmmuMachine()
    machine.pages.budget = 300
    const iommu = machine.boot([DISK])
    expect(iommu.iommus[0]!.enabled).toBe(false)
    expect(machine.log.at(-1)).toContain('failed to allocate')
  })
})

describe('domains', () => {
  it('a driver probes: group, ASID, descriptor and entry, in an order in which the hardware sees no half', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK, NIC])
    const before = commands(machine).length
    iommu.configure(NIC)
    iommu.configure(DISK)
    // In the order of the probes, not of the bus.
    expect([iommu.group(NIC), iommu.group(DISK)]).toEqual([0, 1])
    // Twice the descriptor, twice the entry, each with a sync; and a hint.
    expect(commands(machine).slice(before, before + 8)).toEqual([0x05, 0x46, 0x05, 0x46, 0x03, 0x46, 0x03, 0x46])
    expect(iommu.domainType(DISK)).toBe('dma')
    const facts = iommu.why(DISK).map(({ fact }) => fact)
    expect(facts[0]).toBe('iommu-map of /pcie@10000000 puts it behind 9050000.smmuv3')
    expect(facts[2]).toBe('the stream table entry of stream 16 in smmu3.0x0000000009050000: stage 1, ASID 2')
  })

  it('the entry and the descriptor are Linux’s, bit for bit', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK])
    iommu.configure(DISK)
    const entry = Number.parseInt(iommu.why(DISK)[2]!.source.slice('STE @'.length), 16)
    const words = Array.from({ length: 8 }, (_, index) => machine.ram.read32(entry + 4 * index))
    const descriptor = (words[0]! & -64) >>> 0
    expect(words).toEqual([(descriptor | 0xb) >>> 0, 0, 0xd6, 0, 0, 0, 0, 0])
    const described = Array.from({ length: 8 }, (_, index) => machine.ram.read32(descriptor + 4 * index))
    // T0SZ 16, write-back, inner shareable, EPD1, V; IPS 44 bits, AA64, R, A, ASET, ASID 1; TTB0; MAIR.
    expect(described).toEqual([0xc000_3510, 0x0001_e204, described[2], 0, 0, 0, 0xf404_ff44, 0])
    expect(described[2]! % 4096).toBe(0)
  })

  it('mappings go top down below 4 GiB, keep their offset, and end with the unmap', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK])
    iommu.configure(DISK)
    const ops = iommu.dmaOps(DISK, 64)
    const first = ops.map(BUFFER + 0x123, 100, 'from-device', 'test')!
    const second = ops.map(BUFFER + 0x2000, 4096, 'to-device', 'test')!
    expect([first.hi, first.lo, second.lo]).toEqual([0, 0xffff_f123, 0xffff_e000])
    expect(machine.access(requesterOf(DISK), 0xffff_f123, WRITE)).toEqual({ to: BUFFER + 0x123, route: 'translated' })
    expect(machine.access(requesterOf(DISK), 0xffff_e000, READ)).toEqual({ to: BUFFER + 0x2000, route: 'translated' })
    expect(machine.access(requesterOf(DISK), 0xffff_e000, WRITE)).toEqual({ event: 0x13 })
    ops.unmap(first)
    expect(machine.access(requesterOf(DISK), 0xffff_f123, WRITE)).toEqual({ event: F_TRANSLATION })
    expect(machine.access(requesterOf(NIC), 0xffff_e000, READ)).toEqual({ event: ABORTED })
  })

  it('what is mapped for privileged transactions is closed to a device’s plain ones, but to QEMU’s SMMU', () => {
    for (const [checksUnprivileged, met] of [
      [true, { event: 0x13 }],
      [false, { to: BUFFER, route: 'translated' }],
    ] as const) {
      const machine = new SmmuMachine({ ...smmuv3OptionsFor('11.1'), checksUnprivileged })
      const iommu = machine.boot([DISK])
      iommu.configure(DISK)
      const ops = iommu.dmaOps(DISK, 64)
      const kept = ops.map(BUFFER, 4096, 'bidirectional', 'test', { privileged: true })!
      const open = ops.map(BUFFER, 4096, 'bidirectional', 'test')!
      expect(machine.access(requesterOf(DISK), kept.lo, WRITE)).toEqual(met)
      expect(machine.access(requesterOf(DISK), open.lo, WRITE)).toEqual({ to: BUFFER, route: 'translated' })
    }
  })

  it('strict: each unmap sends a range with Leaf and its level; without ranges a command for each page', () => {
    for (const [options, expected] of [
      [smmuv3OptionsFor('11.1'), [[0x0010_0012, 1 << 16, 0xffff_0701, 0]]],
      [
        { ...smmuv3OptionsFor('11.1'), rangeInvalidation: false },
        [0x0001, 0x1001, 0x2001].map((low) => [0x12, 1 << 16, (0xffff_0000 | low) >>> 0, 0]),
      ],
    ] as const) {
      const machine = new SmmuMachine(options)
      const iommu = machine.boot([DISK])
      iommu.configure(DISK)
      const ops = iommu.dmaOps(DISK, 64)
      const pages = options.rangeInvalidation ? 2 : 3
      // Sixteen pages first, so that the next are aligned below them.
      ops.map(BUFFER, 12 * 4096, 'bidirectional', 'test')
      const mapping = ops.map(BUFFER, pages * 4096, 'bidirectional', 'test')!
      const base = mapping.lo
      const before = commands(machine).length
      ops.unmap(mapping)
      const sent = commands(machine).slice(before)
      expect(sent).toEqual([...expected.map(() => 0x12), 0x46])
      for (const [index, words] of expected.entries()) {
        const address = ((words[2]! & 0xfff) | (base + index * 4096)) >>> 0
        const low = options.rangeInvalidation ? address : ((base + index * 4096) | 1) >>> 0
        expect(command(machine, before + index)).toEqual([words[0], words[1], low, words[3]])
      }
    }
  })

  it('lazy: the device reaches the memory until the queue is flushed, by ASID', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK], { append: 'iommu.strict=0' })
    iommu.configure(DISK)
    expect(iommu.domainType(DISK)).toBe('dma-fq')
    const ops = iommu.dmaOps(DISK, 64)
    const mapping = ops.map(BUFFER, 4096, 'bidirectional', 'test')!
    expect(machine.access(requesterOf(DISK), mapping.lo, WRITE)).toEqual({ to: BUFFER, route: 'translated' })
    ops.unmap(mapping)
    expect(machine.access(requesterOf(DISK), mapping.lo, WRITE)).toEqual({ to: BUFFER, route: 'translated' })
    const before = commands(machine).length
    iommu.flushQueues()
    expect(commands(machine).slice(before)).toEqual([0x11, 0x46])
    expect(machine.access(requesterOf(DISK), mapping.lo, WRITE)).toEqual({ event: F_TRANSLATION })
  })

  it('identity: the entry bypasses, and addresses are physical', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK], { append: 'iommu.passthrough=1' })
    iommu.configure(DISK)
    expect([iommu.domainType(DISK), iommu.dmaOps(DISK, 64).kind]).toEqual(['identity', 'direct'])
    expect(machine.access(requesterOf(DISK), BUFFER, WRITE)).toEqual({ to: BUFFER, route: 'bypass' })
    expect(iommu.doorbell(DISK, DOORBELL)).toBe(DOORBELL)
    expect(iommu.iommus[0]).toMatchObject({ id: 'smmu3.0x0000000009050000', default: 'identity', base: SMMU_BASE })
  })

  it('a function that no map names gets nothing, and is not behind it', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK], { tables: { ...EVERYTHING, streamOf: () => null } })
    iommu.configure(DISK)
    expect(iommu.coverage(DISK)).toEqual({ covered: false, by: null })
    expect([iommu.group(DISK), iommu.dmaOps(DISK, 64).kind]).toEqual([null, 'direct'])
  })
})

describe('messages', () => {
  it('the doorbell’s page takes an address of the domain, once for all devices in it', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK])
    iommu.configure(DISK)
    expect(iommu.doorbell(DISK, DOORBELL)).toBe(0xffff_f040)
    expect(iommu.doorbell(DISK, DOORBELL)).toBe(0xffff_f040)
    expect(machine.access(requesterOf(DISK), 0xffff_f040, WRITE)).toEqual({ to: DOORBELL, route: 'translated' })
    expect(machine.access(requesterOf(DISK), DOORBELL, WRITE)).toEqual({ event: F_TRANSLATION })
  })

  it('an event tells of it in the words of the kernel', () => {
    const machine = new SmmuMachine()
    const iommu = machine.boot([DISK])
    iommu.configure(DISK)
    machine.access(requesterOf(DISK), DOORBELL, WRITE)
    expect(machine.interrupts).toEqual(['eventq'])
    expect(iommu.readFaults()).toEqual([
      {
        source: '0000:00:02.0',
        address: DOORBELL,
        reason: F_TRANSLATION,
        unit: 'smmu3.0x0000000009050000',
        recordedIn: 'event queue',
        access: 'write',
        text:
          'event 0x10 received: 0x0000001000000010 0x0000020000000000 0x0000000008090040 0x0000000000000000: ' +
          'F_TRANSLATION: address not mapped, stream 16 (0000:00:02.0)',
      },
    ])
    expect(iommu.readFaults()).toEqual([])
  })

  it('events that were lost, and global errors, go to the log', () => {
    const machine = new SmmuMachine({ ...smmuv3OptionsFor('11.1'), log2Events: 2 })
    const iommu = machine.boot([DISK])
    iommu.configure(DISK)
    for (let count = 0; count < 6; count++) machine.access(requesterOf(DISK), DOORBELL)
    expect(iommu.readFaults()).toHaveLength(4)
    expect(machine.log).toContain('arm-smmu-v3 9050000.smmuv3: EVTQ write aborted -- events may have been lost')
    const other = new SmmuMachine({ log2Events: 2 })
    const second = other.boot([DISK])
    second.configure(DISK)
    for (let count = 0; count < 6; count++) other.access(requesterOf(DISK), DOORBELL)
    expect(second.readFaults()).toHaveLength(4)
    expect(other.log).toContain('arm-smmu-v3 9050000.smmuv3: EVTQ overflow detected -- events lost')
    other.access(requesterOf(DISK), DOORBELL)
    expect(second.readFaults()).toHaveLength(1)
  })

  it('an illegal command is skipped, and said', () => {
    const machine = new SmmuMachine({ ...smmuv3OptionsFor('11.1'), stage1: true, acceptsForeignCommands: false })
    const iommu = machine.boot([DISK])
    iommu.configure(DISK)
    const mapping = iommu.dmaOps(DISK, 64).map(BUFFER, 4096, 'bidirectional', 'test')!
    // Memory is damaged: the next command becomes one that there is not, once.
    const at = (machine.writes.find(({ offset }) => offset === CMDQ_BASE)!.value & -0x10_0000) >>> 0
    machine.damage = { address: at + commands(machine).length * 16, value: 0x7f }
    iommu.domain(DISK)!.unmap(mapping.lo, 4096)
    iommu.domain(DISK)!.flush({ iova: mapping.lo, length: 4096 })
    const said = machine.log.filter((line) => line.includes('CMDQ error') || line.includes('skipping'))
    expect(said).toHaveLength(2)
    expect(said[0]).toMatch(/CMDQ error \(cons 0x01[0-9a-f]{6}\): Illegal command$/)
    expect(iommu.iommus[0]!.enabled).toBe(true)
  })
})

describe('behind bridges', () => {
  const port = pci('00:01.0', { pcieType: PCIE_ROOT_PORT, headerType: 1, acs: { capability: 0x1d, control: 0 } })
  const bridge = pci('01:00.0', { pcieType: PCIE_TO_PCI_BRIDGE, headerType: 1, parent: port })
  const first = pci('02:01.0', { parent: bridge })
  const second = pci('02:02.0', { parent: bridge })
  const all = [port, bridge, first, second]

  it.each([
    ['linux-6.12', 'pci 0000:02:02.0: stream 512 already in tree from dev 0000:02:01.0'],
    ['linux-6.1', 'pci 0000:02:02.0: stream 512 already in tree'],
  ])('%s: the second function behind a conventional bridge gets neither group nor domain', (guest, line) => {
    const machine = new SmmuMachine()
    const iommu = machine.boot(all, { guest })
    for (const device of all) iommu.configure(device)
    expect(machine.log).toContain(line)
    expect([iommu.group(first), iommu.domainType(first)]).toEqual([iommu.group(bridge), 'dma'])
    expect([iommu.group(second), iommu.domainType(second)]).toEqual([null, 'none'])
    expect(iommu.dmaOps(second, 64).kind).toBe('direct')
    // Its transactions bear the bridge's ID, whose entry translates: neither buffers nor the doorbell are mapped there.
    expect(iommu.doorbell(second, DOORBELL)).toBe(DOORBELL)
    expect(machine.access(0x200, DOORBELL, WRITE)).toEqual({ event: F_TRANSLATION })
    expect(iommu.doorbell(first, DOORBELL)).toBe(0xffff_f040)
    expect(machine.access(0x200, 0xffff_f040, WRITE)).toEqual({ to: DOORBELL, route: 'translated' })
    expect(iommu.readFaults()[0]!.text).toContain('stream 512 (0000:02:00.0)')
    expect(iommu.why(second).at(-1)!.source).toBe('arm_smmu_insert_master')
    expect(iommu.why(second)[0]!.fact).toMatch(/; its transactions may bear stream 512 instead$/)
  })

  it('a function whose ID is the bridge’s own alias: 6.12 takes it for the same, 6.1 for a stranger’s', () => {
    const zeroth = pci('02:00.0', { parent: bridge })
    for (const [guest, group] of [
      ['linux-6.12', 0],
      ['linux-6.1', null],
    ] as const) {
      const machine = new SmmuMachine()
      const iommu = machine.boot([port, bridge, zeroth], { guest })
      iommu.configure(zeroth)
      expect(iommu.group(zeroth)).toBe(group)
    }
  })

  it('without ACS asked for in time, as with a device tree, what is below a port shares its group', () => {
    for (const [acsRequested, groups] of [
      [false, [0, 0]],
      [true, [0, 1]],
    ] as const) {
      const machine = new SmmuMachine()
      const above = { ...port, acs: { capability: 0x1d, control: acsRequested ? 0x1d : 0 } }
      const endpoint = pci('01:00.0', { parent: above, pcieType: 0 })
      const iommu = machine.boot([above, endpoint], { tables: { ...EVERYTHING, acsRequested } })
      iommu.configure(above)
      iommu.configure(endpoint)
      expect([iommu.group(above), iommu.group(endpoint)]).toEqual(groups)
      expect(iommu.acsRequested).toBe(acsRequested)
    }
  })
})
