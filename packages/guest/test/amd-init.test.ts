import { afterEach, describe, expect, it } from 'vitest'
import type { Machine } from '../../machine/src/index.ts'
import { bootGuest } from '../src/index.ts'
import { ACCESS_PLATFORM, disk, machineWith } from './support/test-machine.ts'

const BASE = 0xfed8_0000
const location = { text: 'test' }
const amd = (properties = {}) => ({ model: 'amd-iommu', properties, location })

let machine: Machine | null = null
afterEach(() => {
  machine?.dispose()
  machine = null
})

/** Names of registers, AMD IOMMU 3.07 §3.4. */
const NAMES: Readonly<Record<number, string>> = {
  0: 'DeviceTableBase',
  8: 'CommandBufferBase',
  16: 'EventLogBase',
  24: 'Control',
  8192: 'CommandHead',
  8200: 'CommandTail',
  8208: 'EventHead',
  8216: 'EventTail',
  8224: 'Status',
}
const CONTROL_BITS: Readonly<Record<number, string>> = {
  0: 'IommuEn',
  1: 'HtTunEn',
  2: 'EventLogEn',
  3: 'EventIntEn',
  10: 'Coherent',
  12: 'CmdBufEn',
  16: 'GTEn',
  17: 'GAEn',
}
const OPCODES = [
  '',
  'COMPLETION_WAIT',
  'DEVTAB_ENTRY',
  'IOMMU_PAGES',
  'IOTLB_PAGES',
  'INTERRUPT_TABLE',
  '',
  '',
  'IOMMU_ALL',
]

/**
 * What the kernel writes to the unit, in words: changes of Control by bit, the other registers by name, and each command
 * by its own. Commands that follow another of their kind are left out.
 */
function boot(
  properties: Record<string, string | boolean>,
  more: { guest?: string; append?: string; qemu?: '7.2' } = {},
) {
  machine = machineWith([amd(properties), disk(2, ACCESS_PLATFORM)], {
    qemuVersion: more.qemu ?? '11.1',
    append: more.append ?? '',
    machineProperties: { 'kernel-irqchip': 'split' },
  })
  const { bus } = machine
  const seen: string[] = []
  let control = 0
  let commands = 0
  let tail = 0
  const note = (line: string): void => {
    if (seen.at(-1) !== line) seen.push(line)
  }
  const write32 = bus.write32.bind(bus)
  bus.write32 = (address: number, value: number) => {
    const offset = address - BASE
    if (offset === 8) commands = (value & -4096) >>> 0
    if (offset === 24) {
      for (let bit = 0; bit < 32; bit++) {
        const name = CONTROL_BITS[bit]
        if (name !== undefined && ((control ^ value) >>> bit) & 1) note(`${(value >>> bit) & 1 ? '+' : '-'}${name}`)
      }
      control = value
    } else if (offset === 0x2008 && ((control >>> 12) & 1) === 1) {
      for (; tail !== value; tail = (tail + 16) % 8192) note(OPCODES[bus.read32(commands + tail + 4) >>> 28]!)
    } else if (offset >= 0 && offset < 0x4000 && offset % 8 === 0) {
      if (offset === 0x2008) tail = 0
      note(NAMES[offset] ?? `0x${offset.toString(16)}`)
    }
    write32(address, value)
  }
  const result = bootGuest(bus, { profile: more.guest ?? 'linux-6.12', witness: machine.witness })
  return { seen, result }
}

describe('turning an AMD IOMMU on, as Linux does', () => {
  it('with interrupt remapping, before PCI is known', () => {
    const { seen, result } = boot({ 'dma-remap': true })
    expect(seen.slice(0, 24)).toEqual([
      // 1. What the table asks for, and what is always on.
      '+HtTunEn',
      '+Coherent',
      // 2. The device table.
      'DeviceTableBase',
      // 3. Commands: where they are, both pointers to the start, on.
      'CommandBufferBase',
      'CommandHead',
      'CommandTail',
      '+CmdBufEn',
      // 4. Events.
      'EventLogBase',
      'EventHead',
      'EventTail',
      '+EventLogEn',
      // 5. What the unit announces: guest translation, and interrupt entries of 128 bits.
      '+GTEn',
      '+GAEn',
      // 6. The unit, and all that it may have cached.
      '+IommuEn',
      'IOMMU_ALL',
      'COMPLETION_WAIT',
      // 7. PCI is known: each device, into its group's domain.
      'DEVTAB_ENTRY',
      'COMPLETION_WAIT',
      'IOMMU_PAGES',
      'COMPLETION_WAIT',
      'DEVTAB_ENTRY',
      'COMPLETION_WAIT',
      'IOMMU_PAGES',
      'COMPLETION_WAIT',
    ])
    // 8. Everyone else is kept out, all caches go, and the unit tells of its events.
    const last = seen.lastIndexOf('IOMMU_ALL')
    expect(seen.slice(last, last + 3)).toEqual(['IOMMU_ALL', 'COMPLETION_WAIT', '+EventIntEn'])
    expect(result.devices.find(({ id }) => id === '0000:00:02.0')).toMatchObject({ io: { ok: true }, domain: 'dma' })
  })

  it('without the table’s word on the EFR, device by device and domain by domain', () => {
    const { seen } = boot({}, { qemu: '7.2' })
    const on = seen.indexOf('+IommuEn')
    expect(seen.slice(on, on + 7)).toEqual([
      '+IommuEn',
      'DEVTAB_ENTRY',
      'COMPLETION_WAIT',
      'INTERRUPT_TABLE',
      'COMPLETION_WAIT',
      'IOMMU_PAGES',
      'COMPLETION_WAIT',
    ])
    // By then its registers have told.
    expect(seen).toContain('IOMMU_ALL')
  })

  it('by an older kernel, which does not turn guest translation on', () => {
    expect(boot({ 'dma-remap': true }, { guest: 'linux-6.1' }).seen).not.toContain('+GTEn')
  })

  it('not at all, where it is told to stay away', () => {
    for (const append of ['amd_iommu=off', 'iommu=off']) {
      const { seen, result } = boot({ 'dma-remap': true }, { append })
      expect(seen).toEqual([])
      expect(result.iommus).toMatchObject([{ id: 'ivhd0', kind: 'amdvi', enabled: false, default: 'none' }])
      expect(result.devices.every(({ iommuGroup }) => iommuGroup === null)).toBe(true)
    }
  })
})
