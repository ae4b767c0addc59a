import { describe, expect, it } from 'vitest'
import { bootGuest, type GuestDevice, type GuestProfile, parseGuest } from '../src/index.ts'
import { ACCESS_PLATFORM, device, disk, machineWith, VTD } from './support/test-machine.ts'

type Machine = ReturnType<typeof machineWith>

function boot(machine: Machine, profile: string | GuestProfile = 'linux-6.12'): (slot: string) => GuestDevice {
  const { devices } = bootGuest(machine.bus, { profile, witness: machine.witness })
  return (slot) => devices.find(({ id }) => id === `0000:00:${slot}.0`)!
}

/** As Linux 6.12, with the driver of the transport loaded when those of the virtio devices are there. */
function transportLast(): GuestProfile {
  const profile = parseGuest('linux-6.12')
  const isTransport = ({ name }: { readonly name: string }): boolean => name === 'virtio-pci'
  const { drivers } = profile
  return { ...profile, drivers: [...drivers.filter((one) => !isTransport(one)), ...drivers.filter(isTransport)] }
}

/** What takes IOVAs for physical addresses finds its rings in ROM, and never answers. */
function lieOf(machine: Machine, slot: string): Machine {
  machine.rewire(`0000:00:${slot}.0`, false)
  return machine
}

describe('the probe of a disk', () => {
  it('reads the first page of the disk', () => {
    const machine = machineWith([VTD, disk(2, ACCESS_PLATFORM)])
    const found = boot(machine)('02')
    const { probe } = machine.observe().find(({ id }) => id === '0000:00:02.0')!.dma
    // The page; header, status and the rings come on top.
    expect(probe.bytes).toBeGreaterThan(4096 + 17)
    expect(probe.bytes).toBeLessThan(4096 + 512)
    expect(probe).toMatchObject({ untranslated: 0, faulted: 0 })
    expect(found.io.ok).toBe(true)
  })

  it('reads nothing where there is nothing', () => {
    const found = boot(machineWith([disk(2, {}, { size: 0 })]))('02')
    expect(found).toMatchObject({ driver: 'virtio_blk', io: { attempted: false } })
    expect(found.interrupt.delivered).toBe(0)
  })
})

describe('a probe that never ends', () => {
  it('keeps its driver from the devices that follow, and from no others', () => {
    const found = boot(
      lieOf(
        machineWith([
          VTD,
          disk(2, ACCESS_PLATFORM),
          disk(3, ACCESS_PLATFORM),
          disk(4, ACCESS_PLATFORM),
          device('virtio-rng-pci', 5, ACCESS_PLATFORM),
        ]),
        '03',
      ),
    )
    expect(found('02')).toMatchObject({ driver: 'virtio_blk', io: { ok: true } })
    expect(found('03')).toMatchObject({ driver: 'virtio_blk', io: { attempted: true, ok: false, hung: true } })
    expect(
      found('03')
        .why.map(({ fact }) => fact)
        .join('\n'),
    ).toContain('the probe never ends: reading the partition')
    // Its group and domain were made when the IOMMU's driver looked through the bus.
    expect(found('04')).toMatchObject({
      driver: 'virtio-pci',
      domain: 'dma-fq',
      dmaPath: null,
      refusal: null,
      heldBy: '0000:00:03.0',
      io: { kind: 'none', attempted: false, ok: false, hung: false },
    })
    expect(found('04').virtio).toBeUndefined()
    expect(found('04').io.detail).toContain('never probed: the probe of 0000:00:03.0 by virtio_blk never ends')
    expect(found('05')).toMatchObject({ driver: 'virtio_rng', io: { ok: true } })
    for (const slot of ['02', '03', '05']) expect(found(slot).heldBy, slot).toBeUndefined()
  })

  it('keeps the transport’s driver, where that is loading, from every virtio device that follows', () => {
    const nic = device('e1000e', 5, {}, { backend: { kind: 'network', where: 'qemu' } })
    const machine = machineWith([VTD, disk(2, ACCESS_PLATFORM), device('virtio-rng-pci', 4, ACCESS_PLATFORM), nic])
    const found = boot(lieOf(machine, '02'), transportLast())
    expect(found('02')).toMatchObject({ driver: 'virtio_blk', io: { hung: true } })
    expect(found('04')).toMatchObject({ driver: null, heldBy: '0000:00:02.0', io: { attempted: false } })
    expect(found('05')).toMatchObject({ driver: 'e1000e', io: { ok: true } })
  })

  it('keeps what waited for its IOMMU waiting, where it waited itself', () => {
    const machine = machineWith([
      disk(2, ACCESS_PLATFORM),
      disk(3, ACCESS_PLATFORM),
      device('virtio-iommu-pci', 4),
      disk(5, ACCESS_PLATFORM),
    ])
    const found = boot(lieOf(machine, '02'), transportLast())
    expect(found('02')).toMatchObject({ driver: 'virtio_blk', io: { hung: true } })
    expect(found('03')).toMatchObject({ driver: null, heldBy: '0000:00:02.0' })
    expect(found('03').deferred).toBeUndefined()
    // Found after the IOMMU, by the driver's own thread.
    expect(found('05')).toMatchObject({ driver: 'virtio_blk', io: { ok: true } })
  })
})
