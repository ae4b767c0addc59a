import { afterEach, describe, expect, it } from 'vitest'
import type { Machine, MachineDescription } from '../../machine/src/index.ts'
import { bootGuest, type GuestDevice, type GuestResult } from '../src/index.ts'
import { ACCESS_PLATFORM, device, disk, machineWith } from './support/test-machine.ts'

const location = { text: 'test' }
const AMD = { model: 'amd-iommu', properties: { 'dma-remap': true }, location }
const SPLIT = { 'kernel-irqchip': 'split' }

let machine: Machine | null = null
afterEach(() => {
  machine?.dispose()
  machine = null
})

function boot(
  devices: MachineDescription['devices'],
  more: Partial<MachineDescription> & { guest?: string; prepare?: (machine: Machine) => void } = {},
): GuestResult {
  const { guest = 'linux-6.12', prepare, ...description } = more
  machine = machineWith(devices, { machineProperties: SPLIT, ...description })
  prepare?.(machine)
  return bootGuest(machine.bus, { profile: guest, witness: machine.witness })
}

const find = (result: GuestResult, id: string): GuestDevice => result.devices.find((one) => one.id === `0000:${id}`)!
const dmaOf = (id: string) => machine!.observe().find((one) => one.id === `0000:${id}`)!.dma['self-test']

describe('default domains behind an AMD IOMMU', () => {
  it.each([
    ['', 'dma'],
    ['iommu.strict=0', 'dma'],
    ['amd_iommu=fullflush', 'dma'],
    ['iommu=pt', 'identity'],
    ['iommu.passthrough=1', 'identity'],
    ['amd_iommu=force_isolation', 'dma'],
  ])('%s: %s, since a unit that announces NpCache is a virtual one', (append, domain) => {
    for (const guest of ['linux-6.1', 'linux-6.12']) {
      const result = boot([AMD, disk(2, ACCESS_PLATFORM)], { append, guest })
      expect(find(result, '00:02.0')).toMatchObject({ domain, io: { ok: true } })
      expect(result.iommus).toMatchObject([{ default: domain, enabled: true }])
      machine!.dispose()
    }
    machine = null
  })

  it('translated DMA is seen translated, and identity is not', () => {
    boot([AMD, disk(2, ACCESS_PLATFORM)])
    expect(dmaOf('00:02.0')).toMatchObject({ untranslated: 0, faulted: 0 })
    expect(dmaOf('00:02.0').translated).toBeGreaterThan(0)
    machine!.dispose()
    boot([AMD, disk(2, ACCESS_PLATFORM)], { append: 'iommu=pt' })
    expect(dmaOf('00:02.0')).toMatchObject({ translated: 0, faulted: 0 })
  })

  it('addresses beyond three levels of tables work, and the entry follows the new root', () => {
    // Without a preference for 32 bits, addresses come from the top of what the device can name.
    const result = boot([AMD, disk(2, ACCESS_PLATFORM)], { append: 'iommu.forcedac=1' })
    expect(find(result, '00:02.0')).toMatchObject({ io: { ok: true } })
    const levels = find(result, '00:02.0').why.flatMap(({ fact }) => /table of (\d) levels/.exec(fact)?.[1] ?? [])
    expect(levels).toEqual(['3', '5'])
    expect(dmaOf('00:02.0').untranslated).toBe(0)
  })
})

describe('what QEMU 11.1 can make of the unit', () => {
  it('more interrupts and wider destinations change nothing for one processor', () => {
    const unit = { ...AMD, properties: { ...AMD.properties, xtsup: true, numint2k: true } }
    const result = boot([unit, disk(2, ACCESS_PLATFORM)])
    expect(find(result, '00:02.0')).toMatchObject({ io: { ok: true }, interrupt: { remapped: true, lost: 0 } })
  })

  it('without host page tables it refuses what these kernels give it all the same', () => {
    const unit = { ...AMD, properties: { ...AMD.properties, 'dma-translation': false } }
    const result = boot([unit, disk(2, ACCESS_PLATFORM)])
    expect(find(result, '00:02.0')).toMatchObject({ domain: 'dma', io: { ok: false, hung: true } })
    expect(dmaOf('00:02.0').translated).toBe(0)
    expect(result.timeline.some((line) => line.includes('ILLEGAL_DEV_TABLE_ENTRY'))).toBe(true)
  })
})

describe('groups and coverage', () => {
  it('the unit’s own function is in no group and has no driver, though the table names it', () => {
    const result = boot([AMD, disk(2, ACCESS_PLATFORM)])
    expect(find(result, '00:01.0')).toMatchObject({
      vendor: 0x1022,
      device: 0x1419,
      driver: null,
      iommuGroup: null,
      domain: 'none',
      firmware: { covered: true, by: 'IVRS IVHD 0xfed80000, select 00:01.0' },
    })
    expect(find(result, '00:02.0')).toMatchObject({ iommuGroup: 1, firmware: { covered: true } })
  })

  it('what is below a conventional bridge shares its group, its ID and its domain', () => {
    const below = (slot: number): MachineDescription['devices'][number] => disk(slot, ACCESS_PLATFORM, { bus: 'br0' })
    const result = boot([AMD, device('pcie-pci-bridge', 3, {}, { id: 'br0' }), below(1), below(2)])
    const disks = ['01:01.0', '01:02.0'].map((id) => find(result, id))
    expect(disks.map(({ iommuGroup, io }) => [iommuGroup, io.ok])).toEqual([
      [1, true],
      [1, true],
    ])
    expect(disks[0]!.firmware.by).toBe('IVRS IVHD 0xfed80000, alias 01:00.0 to 01:1f.7 as 01:00.0')
    // Both entries of the device table: its own, and that of the ID that its requests bear.
    const entries = disks[0]!.why.filter(({ source }) => source.startsWith('DTE'))
    expect(entries.map(({ fact }) => fact.slice(0, 39))).toEqual([
      'the device table entry of 01:01.0: a pa',
      'the device table entry of 01:00.0: a pa',
    ])
    expect(dmaOf('01:01.0').translated).toBeGreaterThan(0)
  })
})

describe('interrupts behind an AMD IOMMU', () => {
  it('messages go through the device’s own table', () => {
    const result = boot([AMD, disk(2, ACCESS_PLATFORM)])
    const found = find(result, '00:02.0')
    expect(found.interrupt).toMatchObject({ mode: 'msix', remapped: true, lost: 0 })
    expect(found.why.filter(({ source }) => source.startsWith('IRTE'))).toHaveLength(2)
  })

  it('pins go through the I/O APIC’s table, whose index stands where the vector would: each is ended by hand', () => {
    const result = boot([AMD, disk(2, { ...ACCESS_PLATFORM, vectors: 0 })])
    const { interrupt, io } = find(result, '00:02.0')
    expect([interrupt.mode, interrupt.lost, io.ok]).toEqual(['intx', 0, true])
    // More than one: the pin was opened again after the first.
    expect(interrupt.delivered).toBeGreaterThan(1)
    expect(result.timeline.filter((line) => line.includes('nobody cared'))).toEqual([])
  })

  it.each([
    ['intremap=off on the command line', { append: 'intremap=off' }, AMD],
    ['a table without the I/O APIC', {}, { ...AMD, properties: { 'dma-remap': true, intremap: 'off' } }],
  ])('are not remapped with %s, and DMA is', (_what, more, unit) => {
    const result = boot([unit, disk(2, ACCESS_PLATFORM)], more)
    expect(result.iommus).toMatchObject([{ enabled: true, interruptRemapping: false }])
    expect(find(result, '00:02.0')).toMatchObject({ interrupt: { mode: 'msix', remapped: false }, io: { ok: true } })
    expect(dmaOf('00:02.0').translated).toBeGreaterThan(0)
  })
})

describe('events', () => {
  it('are read from the log in the kernel’s words, and told of the device', () => {
    const result = boot([AMD, disk(3)], { prepare: (one) => one.rewire('0000:00:03.0', true) })
    const disk3 = find(result, '00:03.0')
    expect(disk3).toMatchObject({ dmaPath: 'physical', io: { ok: false, hung: true } })
    const logged = result.timeline.filter((line) => line.includes('IO_PAGE_FAULT'))
    expect(logged[0]).toMatch(
      /^ivhd0: Event logged \[IO_PAGE_FAULT device=0000:00:03\.0 domain=0x000[1-9] address=0x[0-9a-f]+ flags=0x0[0-9a-f]{3}\]$/,
    )
    expect(disk3.why.some(({ source }) => source === 'ivhd0, event log')).toBe(true)
  })
})

/** Changes the IVRS where firmware put it in memory. */
function changeIvrs({ bus }: Machine, change: (table: DataView) => void): void {
  const bytes = new Uint8Array(0x2_0000)
  for (let at = 0x1ff0_0000; at < 0x2000_0000; at += bytes.length) {
    bus.readBytes(at, bytes)
    const found = Buffer.from(bytes).indexOf('IVRS')
    if (found < 0) continue
    const length = new DataView(bytes.buffer).getUint32(found + 4, true)
    const table = bytes.slice(found, found + length)
    change(new DataView(table.buffer))
    bus.writeBytes(at + found, table)
    return
  }
  throw new Error('no IVRS in memory')
}

const sumOf = (table: DataView): number => {
  let sum = 0
  for (let at = 0; at < table.byteLength; at++) sum += table.getUint8(at)
  return sum & 0xff
}

describe('when firmware or hardware is not as it should be', () => {
  it('a table with a wrong checksum is left alone', () => {
    const spoil = (one: Machine): void => changeIvrs(one, (table) => table.setUint8(9, (table.getUint8(9) + 1) & 0xff))
    const result = boot([AMD, disk(2, ACCESS_PLATFORM)], { prepare: spoil })
    expect(result.iommus).toEqual([])
    expect(find(result, '00:02.0').why[0]?.fact).toBe('the kernel refused the IVRS: the checksum of the IVRS is wrong')
    expect(find(result, '00:02.0')).toMatchObject({ iommuGroup: null, io: { ok: true } })
  })

  it('a unit that is not where the table says never answers: told once, and the boot goes on', () => {
    const move = (one: Machine): void =>
      changeIvrs(one, (table) => {
        for (const block of [0x30, 0x30 + table.getUint16(0x32, true)]) table.setUint32(block + 8, 0x9000_0000, true)
        table.setUint8(9, (table.getUint8(9) - sumOf(table)) & 0xff)
      })
    const result = boot([AMD, disk(2, ACCESS_PLATFORM)], { prepare: move, append: 'iommu=pt' })
    expect(result.timeline.filter((line) => line.includes('Completion-Wait loop timed out'))).toHaveLength(1)
    expect(result.booted).toBe(true)
  })
})
