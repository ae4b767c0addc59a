import { describe, expect, it } from 'vitest'
import { type BootOptions, bootGuest, type GuestDevice, type GuestResult } from '../src/index.ts'
import { busLike } from './support/bus-of.ts'
import { ACCESS_PLATFORM, device, disk, machineWith, TERMINAL, VTD } from './support/test-machine.ts'

type Machine = ReturnType<typeof machineWith>

const boot = (machine: Machine, options: Partial<BootOptions> = {}): GuestResult =>
  bootGuest(machine.bus, { profile: 'linux-6.12', witness: machine.witness, ...options })

const find = (result: GuestResult, id: string): GuestDevice => result.devices.find((one) => one.id === id)!

const NET = { backend: { kind: 'network', where: 'qemu' } } as const

describe('boot', () => {
  const machine = machineWith(
    [
      VTD,
      disk(2, ACCESS_PLATFORM),
      disk(3),
      device('virtio-net-pci', 4, ACCESS_PLATFORM, NET),
      device('virtio-rng-pci', 5),
      device('e1000e', 6, {}, NET),
      device('virtio-serial-pci', 7),
      TERMINAL,
      device('nvme', 8, { serial: 'x' }, { backend: { kind: 'disk', where: 'qemu', size: 8 * 1024 * 1024 } }),
    ],
    { append: 'console=ttyS0 intel_iommu=on' },
  )
  const result = boot(machine)

  it('finds every function, in bus order', () => {
    expect(result.devices.map(({ id, driver }) => [id, driver])).toEqual([
      ['0000:00:00.0', null],
      ['0000:00:02.0', 'virtio_blk'],
      ['0000:00:03.0', 'virtio_blk'],
      ['0000:00:04.0', 'virtio_net'],
      ['0000:00:05.0', 'virtio_rng'],
      ['0000:00:06.0', 'e1000e'],
      ['0000:00:07.0', 'virtio_console'],
      ['0000:00:08.0', 'nvme'],
      ['0000:00:1f.0', null],
      ['0000:00:1f.2', null],
      ['0000:00:1f.3', null],
    ])
  })

  it('has every device with a driver move data, by interrupts alone', () => {
    for (const one of result.devices.filter(({ driver }) => driver !== null)) {
      expect(one.io, one.id).toMatchObject({ attempted: true, ok: true, wrongData: false, hung: false })
      expect(one.interrupt, one.id).toMatchObject({ mode: 'msix', remapped: true, lost: 0 })
      expect(one.interrupt.delivered, one.id).toBeGreaterThan(0)
    }
  })

  it('gives the addresses that the ledger sees: translated with bit 33, untranslated without', () => {
    const seen = new Map(machine.observe().map((one) => [one.id, one.dma['self-test']]))
    expect(seen.get('0000:00:02.0')).toMatchObject({ untranslated: 0, faulted: 0 })
    expect(seen.get('0000:00:02.0')!.translated).toBeGreaterThan(100)
    expect(seen.get('0000:00:03.0')).toMatchObject({ translated: 0, faulted: 0 })
    expect(seen.get('0000:00:03.0')!.untranslated).toBeGreaterThan(100)
    for (const { strayCount, id } of machine.observe()) expect(strayCount, id).toBe(0)
  })

  it('tells what it decided by', () => {
    const { why } = find(result, '0000:00:02.0')
    expect(why).toContainEqual(
      expect.objectContaining({
        fact: expect.stringContaining('offers feature bits'),
        bytes: '54 6e 00 30 03 01 00 00',
      }),
    )
    expect(why.some(({ fact }) => /^virtqueue 0 .* given to the device as 0xffff/.test(fact))).toBe(true)
    expect(why.some(({ source }) => source.startsWith('DMAR @0x'))).toBe(true)
  })

  it('leaves the disk as it was', () => {
    const again = boot(machine)
    expect(find(again, '0000:00:02.0').io).toEqual(find(result, '0000:00:02.0').io)
  })

  it('says the same each time', () => {
    const fresh = (): string => JSON.stringify(boot(machineWith([VTD, disk(2, ACCESS_PLATFORM), disk(3)])))
    expect(fresh()).toBe(fresh())
  })

  it('tells the witness of every piece of memory, and of its end: rings and waiting buffers alone stay', () => {
    const standing = new Map<number, string>()
    const phases: string[] = []
    let next = 0
    const fresh = machineWith([
      VTD,
      disk(2, ACCESS_PLATFORM),
      disk(3),
      device('virtio-net-pci', 4, {}, NET),
      device('virtio-rng-pci', 5, ACCESS_PLATFORM),
    ])
    boot(fresh, {
      witness: {
        grant(owner, address, length, _access, purpose) {
          expect(length).toBeGreaterThan(0)
          expect(address).toBeGreaterThanOrEqual(0x10_0000)
          standing.set(++next, `${owner} ${purpose}`)
          return next
        },
        revoke(grant) {
          expect(standing.delete(grant)).toBe(true)
        },
        phase: (owner, phase) => phases.push(`${owner} ${phase}`),
      },
    })
    expect([...new Set(standing.values())].sort()).toEqual([
      '0000:00:02.0 virtqueue 0 (req.0)',
      '0000:00:03.0 virtqueue 0 (req.0)',
      '0000:00:04.0 net receive buffer',
      '0000:00:04.0 virtqueue 0 (input.0)',
      '0000:00:04.0 virtqueue 1 (output.0)',
      '0000:00:04.0 virtqueue 2 (control)',
      '0000:00:05.0 virtqueue 0 (input)',
    ])
    expect(phases.indexOf('0000:00:03.0 self-test')).toBeGreaterThan(phases.lastIndexOf('0000:00:05.0 probe'))
  })

  it('calls onEvent with each line of the timeline', () => {
    const lines: string[] = []
    const told = boot(machineWith([]), { onEvent: (line) => lines.push(line) })
    expect(lines).toEqual(told.timeline)
    expect(lines.length).toBeGreaterThan(5)
  })

  it('refuses options that make no sense at once', () => {
    expect(() => boot(machine, { selfTestBytes: 0 })).toThrow(RangeError)
    expect(() => boot(machine, { patience: -1 })).toThrow(RangeError)
    expect(() => boot(machine, { profile: 'linux-9' })).toThrow(/unknown profile/)
  })
})

describe('interrupts', () => {
  it.each([
    ['with remapping', [VTD], 'pci=nomsi', true],
    ['without an IOMMU', [], 'pci=nomsi', false],
  ] as const)('come by the pin where there are no messages, %s', (_, iommu, append, remapped) => {
    const result = boot(
      machineWith(
        [
          ...iommu,
          disk(2, ACCESS_PLATFORM),
          disk(3),
          disk(6, { 'disable-modern': true }),
          device('e1000e', 7, {}, NET),
        ],
        {
          append,
        },
      ),
    )
    for (const id of ['0000:00:02.0', '0000:00:03.0', '0000:00:06.0', '0000:00:07.0']) {
      expect(find(result, id)).toMatchObject({ interrupt: { mode: 'intx', remapped, lost: 0 }, io: { ok: true } })
    }
  })

  it('come by the pin where remapping is on and the table does not name the device', () => {
    const result = boot(machineWith([VTD, disk(2)], { machineProperties: { default_bus_bypass_iommu: true } }))
    const bypassed = find(result, '0000:00:02.0')
    expect(bypassed).toMatchObject({
      firmware: { covered: false },
      iommuGroup: null,
      interrupt: { mode: 'intx', lost: 0 },
    })
    expect(bypassed.io.ok).toBe(true)
    expect(bypassed.why.some(({ fact }) => fact.includes('no MSI domain'))).toBe(true)
  })

  it('share two vectors where the device has no more', () => {
    const result = boot(machineWith([device('virtio-net-pci', 2, { vectors: 2 }, NET)]))
    const card = find(result, '0000:00:02.0')
    expect(card).toMatchObject({ interrupt: { mode: 'msix' }, io: { ok: true } })
    expect(card.why.some(({ fact }) => fact.includes('one vector for all queues'))).toBe(true)
  })

  it('are none where the device has neither vectors nor a pin: its driver gives up', () => {
    const machine = machineWith([disk(2)])
    const { ports } = machine.bus
    const result = bootGuest(
      busLike(machine.bus, {
        ports: {
          ...bindPorts(machine),
          // MSI-X and the pin are hidden from configuration space: the chain ends before it, the pin register reads 0.
          in8: (port) => (port === 0xcfd && selected(machine) === 0x3c ? 0 : ports!.in8(port)),
          in16: (port) => ports!.in16(port) & (port === 0xcfe && selected(machine) === 0x04 ? ~0x10 : 0xffff),
        },
      }),
      { profile: 'linux-6.12', witness: machine.witness },
    )
    expect(find(result, '0000:00:02.0')).toMatchObject({ driver: null, interrupt: { mode: 'none' } })
    expect(find(result, '0000:00:02.0').refusal).toContain('no interrupt pin')
  })
})

/** The register that CF8 selects, in function 00:02.0; -1 elsewhere. */
const selected = (machine: Machine): number => {
  const address = machine.bus.ports!.in32(0xcf8)
  return ((address >>> 8) & 0xffff) === 0x10 ? address & 0xfc : -1
}

function bindPorts(machine: Machine): NonNullable<Machine['bus']['ports']> {
  const ports = machine.bus.ports!
  return {
    in8: (port) => ports.in8(port),
    in16: (port) => ports.in16(port),
    in32: (port) => ports.in32(port),
    out8: (port, value) => ports.out8(port, value),
    out16: (port, value) => ports.out16(port, value),
    out32: (port, value) => ports.out32(port, value),
  }
}

describe('topology', () => {
  it('reaches a device behind a root port', () => {
    const result = boot(
      machineWith([
        VTD,
        device('pcie-root-port', 2, { chassis: 1, slot: 1 }, { id: 'rp1' }),
        { ...disk(0, ACCESS_PLATFORM), bus: 'rp1' },
      ]),
    )
    expect(find(result, '0000:00:02.0')).toMatchObject({ driver: 'pcieport', io: { attempted: false } })
    expect(find(result, '0000:01:00.0')).toMatchObject({ driver: 'virtio_blk', dmaPath: 'iommu', io: { ok: true } })
  })

  it('boots the pc machine, without ECAM', () => {
    const result = boot(machineWith([disk(2)], { machine: 'pc' }))
    expect(result.timeline).toContain('PCI: base access by type 1')
    expect(find(result, '0000:00:02.0')).toMatchObject({ driver: 'virtio_blk', io: { ok: true } })
  })
})

describe('self-tests', () => {
  it('read a read-only disk twice, and write nothing', () => {
    const result = boot(machineWith([disk(2, {}, { readOnly: true })]))
    expect(find(result, '0000:00:02.0').io).toMatchObject({ ok: true, detail: expect.stringContaining('read-only') })
  })

  it.each([512, 4096, 12 * 1024])('keep within a disk of %i bytes', (size) => {
    const result = boot(machineWith([disk(2, {}, { size })]))
    expect(find(result, '0000:00:02.0').io).toMatchObject({ ok: true, wrongData: false })
  })

  it('move as many bytes as they are told to', () => {
    const result = boot(machineWith([disk(2)]), { selfTestBytes: 256 * 1024 })
    expect(find(result, '0000:00:02.0').io.detail).toContain('wrote and read 256 KiB')
  })

  it('use the DMA probe', () => {
    const machine = machineWith([VTD, device('dmascope-probe', 2), device('dmascope-probe', 3, { bypass: true })])
    const result = boot(machine)
    expect(find(result, '0000:00:02.0').io).toMatchObject({ kind: 'synthetic', ok: true })
    // The other bypasses the IOMMU that the kernel gave it an address for: it reads whatever lies there.
    expect(find(result, '0000:00:03.0').io).toMatchObject({ ok: false, wrongData: true })
  })
})

describe('a device that no driver takes', () => {
  it.each(['vfio-pci', 'e1000', 'qemu-xhci', 'edu'])('%s: its DMA is tested all the same', (model) => {
    const given = model === 'vfio-pci' ? { host: '02:00.0' } : {}
    // QEMU assigns a device of the host's only where it learns of every mapping.
    const iommu = { ...VTD, properties: { ...VTD.properties, 'caching-mode': true } }
    expect(find(boot(machineWith([iommu, device(model, 2, given)])), '0000:00:02.0')).toMatchObject({
      driver: null,
      domain: 'dma',
      dmaPath: 'iommu',
      io: { kind: 'synthetic', attempted: true, ok: true },
    })
  })

  it('is not tested where it masters no memory', () => {
    expect(find(boot(machineWith([VTD, device('i6300esb', 2)])), '0000:00:02.0')).toMatchObject({
      driver: null,
      dmaPath: null,
      io: { kind: 'none', attempted: false },
    })
  })
})

describe('when the machine is not what the tables say', () => {
  it('a device that takes IOVAs for physical addresses hangs, and the result says how', () => {
    const machine = machineWith([VTD, disk(2, ACCESS_PLATFORM), disk(3)])
    machine.rewire('0000:00:02.0', false)
    const result = boot(machine)
    const lying = find(result, '0000:00:02.0')
    expect(lying).toMatchObject({ domain: 'dma-fq', dmaPath: 'iommu', io: { ok: false, hung: true } })
    expect(lying.io.detail).toContain('4 of 4 requests never completed')
    expect(lying.interrupt.lost).toBe(4)
    // What its rings read as lies in the ROM: garbage, which the device cannot go on from.
    expect(lying.io.detail).toContain('NEEDS_RESET')
    expect(lying.virtio?.status).toBe(0x4f)
    // The driver never comes to the other disk.
    expect(find(result, '0000:00:03.0').heldBy).toBe('0000:00:02.0')
  })

  it('a device that is translated without having said so faults and hangs', () => {
    const machine = machineWith([VTD, disk(2)])
    machine.rewire('0000:00:02.0', true)
    const result = boot(machine)
    const faulting = find(result, '0000:00:02.0')
    expect(faulting).toMatchObject({ dmaPath: 'physical', io: { ok: false, hung: true } })
    expect(faulting.why.some(({ source }) => source === 'dmar0, fault recording register')).toBe(true)
    expect(result.timeline.some((line) => line.includes('blocked a DMA read of 0000:00:02.0'))).toBe(true)
  })

  it('IOVAs from the bottom up land in RAM: corruption that the ledger shows', () => {
    const machine = machineWith([VTD, disk(3)])
    const result = boot(machine, { profile: 'always-dma-api,iova=bottom-up' })
    expect(find(result, '0000:00:03.0').io).toMatchObject({ ok: false, hung: true })
    const observed = machine.observe().find(({ id }) => id === '0000:00:03.0')!
    expect(observed.strays.some(({ kind, landed }) => kind === 'write' && landed === 'ram')).toBe(true)
  })

  it('a kernel without the DMA API rule works where the device bypasses', () => {
    const machine = machineWith([VTD, disk(3)])
    expect(find(boot(machine), '0000:00:03.0').io.ok).toBe(true)
  })
})
