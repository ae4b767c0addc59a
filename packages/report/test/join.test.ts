import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { joinReport } from '../src/index.ts'
import { accounts, counts, fault, guestDevice, guestResult, observation, stray, vtd, withStrays } from './accounts.ts'
import { bootAccounts } from './arbitraries.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

describe('joinReport', () => {
  it('keeps the guest’s order of devices, whatever the machine’s', () => {
    const ids = ['0000:00:04.0', '0000:00:02.0', '0000:00:03.0']
    const report = joinReport(
      accounts(
        guestResult({ devices: ids.map((id) => guestDevice({ id })) }),
        [...ids].sort().map((id) => observation({ id })),
      ),
    )
    expect(report.devices.map(({ id }) => id)).toEqual(ids)
  })

  it('tells of a ppce500 which kernels its processor runs', () => {
    const plain = accounts(guestResult(), [])
    const archOf = (cpu?: string): string =>
      joinReport({
        ...plain,
        description: { ...plain.description, machine: 'ppce500', ...(cpu !== undefined && { cpu }) },
      }).machine.arch
    expect([archOf(), archOf('e500mc'), archOf('e5500'), archOf('e6500,x=on')]).toEqual([
      'ppc',
      'ppc',
      'ppc64',
      'ppc64',
    ])
  })

  it('lists functions that the guest never saw, in the machine’s order, and judges only those that both know', () => {
    const report = joinReport(
      accounts(guestResult({ devices: [guestDevice(), guestDevice({ id: '0000:05:00.0' })] }), [
        observation({ id: '0000:00:1f.0', model: 'ICH9-LPC' }),
        observation(),
        observation({ id: '0000:00:02.0', model: 'e1000e' }),
      ]),
    )
    expect(report.unseen).toEqual([
      { id: '0000:00:1f.0', model: 'ICH9-LPC' },
      { id: '0000:00:02.0', model: 'e1000e' },
    ])
    expect(report.devices.map(({ id }) => id)).toEqual(['0000:00:03.0'])
  })

  it('writes the numbers that people read in hexadecimal', () => {
    const { iommus, devices } = joinReport(accounts(guestResult({ iommus: [vtd()] }), [observation()]))
    expect(iommus[0]?.base).toBe('0xfed90000')
    expect(devices[0]).toMatchObject({ vendor: '1af4', device: '1042', virtio: { status: '0x0f' } })
  })

  it('names a device by its model without QEMU’s bus, and by the user’s name', () => {
    const kinds = ['virtio-blk-pci', 'virtio-net-pci-non-transitional', 'virtio-rng-pci-transitional', 'e1000e', 'nvme']
    const ids = kinds.map((_, index) => `0000:00:0${index + 2}.0`)
    const report = joinReport(
      accounts(
        guestResult({ devices: ids.map((id) => guestDevice({ id })) }),
        kinds.map((model, index) => observation({ id: ids[index]!, model, deviceId: index === 0 ? 'disk0' : null })),
      ),
    )
    expect(report.devices.map(({ kind }) => kind)).toEqual(['virtio-blk', 'virtio-net', 'virtio-rng', 'e1000e', 'nvme'])
    expect(report.devices.map(({ name }) => name)).toEqual(['disk0', null, null, null, null])
  })

  it('counts the self-test apart from all else', () => {
    const [device] = joinReport(
      accounts(guestResult(), [
        observation({
          dma: {
            firmware: counts({ reads: 4, writes: 2, untranslated: 6 }),
            probe: counts({ reads: 3, writes: 1, translated: 4, faulted: 1 }),
            'self-test': counts({ reads: 1, writes: 1, translated: 2, faulted: 3 }),
          },
          msi: 7,
        }),
      ]),
    ).devices
    expect(device?.dma).toEqual({
      translated: 2,
      untranslated: 0,
      faulted: 3,
      stray: 0,
      other: { firmware: 6, probe: 5, msi: 7 },
    })
  })

  it('says why a device was refused rather than what its test says', () => {
    const device = guestDevice({ refusal: 'no bit 33', io: { ...guestDevice().io, attempted: false, ok: false } })
    const [joined] = joinReport(accounts(guestResult({ devices: [device] }), [observation()])).devices
    expect(joined?.io.detail).toBe('no bit 33')
  })

  it('ends the chain of reasons with what was observed: wiring, counts, strays and faults, each with its source', () => {
    const [device] = joinReport(
      accounts(guestResult({ devices: [guestDevice({ why: [{ fact: 'first', source: 'the guest' }] })] }), [
        observation({
          ...withStrays(
            stray({ kind: 'write', landed: 'ram', length: 1, before: '00', after: 'ff', count: 2 }),
            stray({ landed: 'rom', after: 'ea 5b' }),
            stray({ landed: 'hole' }),
          ),
          faults: [fault('probe')],
        }),
      ]),
    ).devices
    expect(device?.why).toEqual([
      { fact: 'first', source: 'the guest' },
      { fact: 'its DMA enters the IOMMU', source: 'wiring of the machine' },
      {
        fact: 'self-test: 30 reads, 11 writes, 4096 bytes; 41 translated, 0 untranslated, 0 refused',
        source: 'DMA ledger',
      },
      {
        fact: 'stray write of 1 byte at bus address 0xfffff000, landed in ram at 0xfffff000, 2 times',
        source: 'DMA ledger',
        bytes: '00 -> ff',
      },
      {
        fact: 'stray read of 2 bytes at bus address 0xfffff000, landed in rom at 0xfffff000',
        source: 'DMA ledger',
        bytes: 'ea 5b',
      },
      { fact: 'stray read of 2 bytes at bus address 0xfffff000, landed in hole at 0xfffff000', source: 'DMA ledger' },
      { fact: 'the IOMMU refused 0x1000: read: no permission to read', source: 'IOMMU fault record, reason 0x6' },
    ])
  })

  it('gives the same bytes for the same accounts, and leaves the accounts as they were', () => {
    fc.assert(
      fc.property(bootAccounts, (made) => {
        const before = JSON.stringify(made)
        const first = JSON.stringify(joinReport(made))
        expect(JSON.stringify(joinReport(structuredClone(made)))).toBe(first)
        expect(JSON.stringify(made)).toBe(before)
      }),
      { numRuns: RUNS },
    )
  })

  it('accounts for every function that was observed exactly once, and links findings both ways', () => {
    fc.assert(
      fc.property(bootAccounts, (made) => {
        const { devices, unseen, findings } = joinReport(made)
        const told = [...devices, ...unseen].map(({ id }) => id).sort()
        expect(told).toEqual(made.observations.map(({ id }) => id).sort())
        for (const { id, findings: own } of devices) {
          expect(own).toEqual(findings.filter(({ device }) => device === id).map((one) => one.id))
        }
      }),
      { numRuns: RUNS },
    )
  })
})
