import { describe, expect, it } from 'vitest'
import { bootGuest, recordCpuBus } from '../src/index.ts'
import { ACCESS_PLATFORM, device, disk, machineWith, VTD } from './support/test-machine.ts'

/** Boots, and gives the accesses that fell into [base, base + size), as `w 0x14=1` or `r 0x14=1`. */
function accesses(
  machine: ReturnType<typeof machineWith>,
  where: 'memory' | 'ports',
  base: number,
  size: number,
): string[] {
  const { bus, trace } = recordCpuBus(machine.bus)
  bootGuest(bus, { profile: 'linux-6.12', witness: machine.witness, selfTestBytes: 4096 })
  const kinds = where === 'memory' ? { r: 'r', w: 'w' } : { r: 'i', w: 'o' }
  return trace.operations.flatMap((one) => {
    if (one[0] !== kinds.r && one[0] !== kinds.w) return []
    const [kind, , at, value] = one as readonly [string, number, number, number]
    if (at < base || at >= base + size) return []
    return [`${kind === kinds.w ? 'w' : 'r'} 0x${(at - base).toString(16)}=0x${value.toString(16)}`]
  })
}

/** Where firmware placed a BAR of 00:02.0. */
function bar(machine: ReturnType<typeof machineWith>, index: number): number {
  const { ports } = machine.bus
  ports!.out32(0xcf8, 0x8000_0000 | (2 << 11) | (0x10 + index * 4))
  return (ports!.in32(0xcfc) & 0xffff_fff0) >>> 0
}

describe('the modern interface, in the order of Linux', () => {
  const machine = machineWith([VTD, disk(2, ACCESS_PLATFORM)], { append: 'iommu=pt' })
  const common = bar(machine, 4)
  const seen = accesses(machine, 'memory', common, 0x40)
  // Features of a virtio-blk with iommu_platform=on: 2, 4, 6, 9, 10, 11, 13, 14, 28, 29; 32, 33, 40.
  const FEATURES_LO = '0x30006e54'
  const FEATURES_HI = '0x103'

  it('1. resets the device and waits until its status reads 0', () => {
    expect(seen.slice(0, 2)).toEqual(['w 0x14=0x0', 'r 0x14=0x0'])
  })

  it('2. sets ACKNOWLEDGE, then DRIVER', () => {
    expect(seen.slice(2, 6)).toEqual(['r 0x14=0x0', 'w 0x14=0x1', 'r 0x14=0x1', 'w 0x14=0x3'])
  })

  it('3. reads both words of the offered features', () => {
    expect(seen.slice(6, 10)).toEqual(['w 0x0=0x0', `r 0x4=${FEATURES_LO}`, 'w 0x0=0x1', `r 0x4=${FEATURES_HI}`])
  })

  it('4. writes both words of what it accepts', () => {
    expect(seen.slice(10, 14)).toEqual(['w 0x8=0x0', `w 0xc=${FEATURES_LO}`, 'w 0x8=0x1', `w 0xc=${FEATURES_HI}`])
  })

  it('5. sets FEATURES_OK and looks whether it stays', () => {
    expect(seen.slice(14, 18)).toEqual(['r 0x14=0x3', 'r 0x14=0x3', 'w 0x14=0xb', 'r 0x14=0xb'])
  })

  it('6. gives configuration changes vector 0 and reads it back', () => {
    expect(seen.slice(18, 20)).toEqual(['w 0x10=0x0', 'r 0x10=0x0'])
  })

  it('7. selects queue 0, looks at its size, tells size and addresses', () => {
    const at = seen.indexOf('w 0x18=0x100')
    expect(seen.slice(20, at)).toEqual([
      'r 0x12=0x1',
      'w 0x16=0x0',
      'r 0x18=0x100',
      'r 0x1c=0x0',
      'w 0x16=0x0',
      'r 0x1e=0x0',
    ])
    expect(seen.slice(at + 1, at + 7).map((one) => one.split('=')[0])).toEqual([
      'w 0x20',
      'w 0x24',
      'w 0x28',
      'w 0x2c',
      'w 0x30',
      'w 0x34',
    ])
  })

  it('8. gives the queue vector 1 and reads it back', () => {
    const at = seen.indexOf('w 0x1a=0x1')
    expect(seen.slice(at - 1, at + 2)).toEqual(['w 0x16=0x0', 'w 0x1a=0x1', 'r 0x1a=0x1'])
  })

  it('9. enables the queue, and only then sets DRIVER_OK', () => {
    const enabled = seen.indexOf('w 0x1c=0x1')
    expect(enabled).toBeGreaterThan(seen.indexOf('w 0x1a=0x1'))
    expect(seen.indexOf('w 0x14=0xf')).toBeGreaterThan(enabled)
  })
})

describe('the legacy interface, in the order of Linux', () => {
  const machine = machineWith([disk(2, { 'disable-modern': true })])
  const header = bar(machine, 0)
  const seen = accesses(machine, 'ports', header, 0x18)

  it('1. resets, acknowledges, reads the features and writes those that it accepts', () => {
    expect(seen.slice(0, 6)).toEqual([
      'w 0x12=0x0',
      'r 0x12=0x0',
      'r 0x12=0x0',
      'w 0x12=0x1',
      'r 0x12=0x1',
      'w 0x12=0x3',
    ])
    expect(seen[6]).toMatch(/^r 0x0=/)
    // Bits 24, 27 and 30, which a legacy device also offers, are not this driver's.
    expect(seen[7]).toBe('w 0x4=0x30006e54')
  })

  it('2. never sets FEATURES_OK: the interface has none', () => {
    expect(seen.filter((one) => one.startsWith('w 0x12='))).toEqual([
      'w 0x12=0x0',
      'w 0x12=0x1',
      'w 0x12=0x3',
      'w 0x12=0x7',
    ])
  })

  it('3. tells the page number of the ring after reading size and address', () => {
    const at = seen.findIndex((one) => one.startsWith('w 0x8='))
    expect(seen.slice(at - 4, at)).toEqual(['w 0xe=0x0', 'r 0xc=0x100', 'r 0x8=0x0', 'w 0xe=0x0'])
  })

  it('4. gives configuration changes vector 0 and the queue vector 1', () => {
    expect(seen).toContain('w 0x14=0x0')
    expect(seen).toContain('w 0x16=0x1')
  })
})

describe('negotiation', () => {
  const boot = (devices: Parameters<typeof machineWith>[0], guest = 'linux-6.12', append = 'intel_iommu=on') => {
    const machine = machineWith(devices, { append })
    const result = bootGuest(machine.bus, { profile: guest, witness: machine.witness })
    return result.devices.filter(({ virtio }) => virtio !== undefined)
  }

  it('accepts bit 33 and then uses the DMA API; without it, physical addresses', () => {
    const [platform, plain] = boot([VTD, disk(2, ACCESS_PLATFORM), disk(3)])
    expect(platform).toMatchObject({ dmaPath: 'iommu', virtio: { accessPlatform: true, status: 0x0f } })
    expect(platform?.virtio?.negotiated).toEqual([2, 4, 6, 9, 10, 11, 13, 14, 28, 29, 32, 33, 40])
    expect(plain).toMatchObject({ dmaPath: 'physical', virtio: { accessPlatform: false, status: 0x0f } })
    expect(plain?.virtio?.negotiated).toEqual([2, 4, 6, 9, 10, 11, 13, 14, 28, 29, 32, 40])
    expect(plain?.why).toContainEqual({
      fact: 'physical addresses: VIRTIO_F_ACCESS_PLATFORM (bit 33) was not negotiated',
      source: 'vring_use_dma_api',
    })
  })

  it('leaves a network card the bits that its driver does not know', () => {
    const [card] = boot([device('virtio-net-pci', 2, {}, { backend: { kind: 'network', where: 'qemu' } })])
    expect(card?.virtio?.offered).toContain(20)
    expect(card?.virtio?.negotiated).toEqual([2, 5, 15, 16, 17, 18, 19, 21, 23, 28, 29, 32, 40])
  })

  it('does not drive a network card whose bits call for a control queue that is not there', () => {
    const backend = { kind: 'network', where: 'qemu' } as const
    const [card] = boot([device('virtio-net-pci', 2, { ctrl_vq: false }, { backend })])
    expect(card).toMatchObject({ driver: null, io: { attempted: false } })
    expect(card?.refusal).toContain('device advertises feature VIRTIO_NET_F_CTRL_RX but not VIRTIO_NET_F_CTRL_VQ')
    expect(card?.virtio?.negotiated).not.toContain(17)
    expect(card?.virtio?.status).toBe(0x83)
  })

  it('is refused a balloon that insists on bit 33: its driver clears it', () => {
    const [refused] = boot([VTD, device('virtio-balloon-pci', 2, ACCESS_PLATFORM)])
    const [taken] = boot([VTD, device('virtio-balloon-pci', 3)])
    expect(refused).toMatchObject({ driver: null, dmaPath: null, io: { attempted: false } })
    expect(refused?.refusal).toContain('FEATURES_OK does not stay set')
    expect(refused?.refusal).toContain('bit 33')
    expect((refused?.virtio?.status ?? 0) & 0x80).toBe(0x80)
    expect(taken).toMatchObject({ driver: 'virtio_balloon', io: { kind: 'balloon', ok: true }, refusal: null })
  })

  it('follows the rule of the profile', () => {
    const [plain] = boot([VTD, disk(3)], 'always-dma-api')
    expect(plain).toMatchObject({ dmaPath: 'iommu', virtio: { accessPlatform: false } })
  })

  it('uses the DMA API directly where the IOMMU is off', () => {
    const [platform] = boot([VTD, disk(2, ACCESS_PLATFORM)], 'linux-6.12', 'intel_iommu=off')
    expect(platform).toMatchObject({ dmaPath: 'direct', domain: 'none', io: { ok: true } })
  })
})
