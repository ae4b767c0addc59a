import { vtdOptionsFor } from '@dmascope/iommu/vtd'
import { describe, expect, it } from 'vitest'
import type { DomainType } from '../src/result.ts'
import { dmarOf, drhd, pci, requesterOf, TestMachine } from './iommu-machine.ts'

// The devices of one q35, and what Debian's kernels made of them under QEMU's intel-iommu,intremap=on.
const ROOT_BUS = ['00.0', '02.0', '03.0', '04.0', '05.0', '06.0', '07.0', '08.0', '09.0', '1f.0', '1f.2', '1f.3']
const DEVICES = ROOT_BUS.map((slot) =>
  pci(`00:${slot}`, {
    // e1000e and NVMe are PCI Express; the rest, virtio included, is conventional on a root bus.
    pcieType: slot === '06.0' || slot === '07.0' ? 9 : null,
    headerType: slot.startsWith('1f') ? 0x80 : 0,
    classCode: slot === '1f.0' ? 0x06_0100 : slot === '00.0' ? 0x06_0000 : 0x01_0000,
  }),
)
const GROUPS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]
const tables = dmarOf([drhd(['ioapic ff:00.0', ...ROOT_BUS.map((slot) => `endpoint 00:${slot}`)])])

function boot(qemu: '7.2' | '11.1', guest: string, append: string, devices = DEVICES) {
  const machine = new TestMachine()
  const unit = machine.addUnit(vtdOptionsFor(qemu, { intremap: 'on' }))
  const iommu = machine.boot(tables, { guest, append, ioApicIds: [0] })
  iommu.enableInterruptRemapping()
  iommu.attachDevices(devices)
  return { machine, unit, iommu }
}

describe('Debian under QEMU', () => {
  it.each<['7.2' | '11.1', string, string, DomainType, number]>([
    ['11.1', 'linux-6.12', 'intel_iommu=on', 'dma-fq', 48],
    ['7.2', 'linux-6.1', 'intel_iommu=on', 'dma-fq', 39],
    ['11.1', 'linux-6.12', 'intel_iommu=on iommu=pt', 'identity', 48],
    ['11.1', 'linux-6.12', 'intel_iommu=on iommu.strict=1', 'dma', 48],
    ['11.1', 'linux-6.12', '', 'dma-fq', 48],
  ])('QEMU %s, %s "%s": every device in its group, type %s', (qemu, guest, append, type, addressWidth) => {
    const { unit, iommu } = boot(qemu, guest, append)
    expect(DEVICES.map((device) => iommu.group(device))).toEqual(GROUPS)
    expect(new Set(DEVICES.map((device) => iommu.domainType(device)))).toEqual(new Set([type]))
    expect(iommu.iommus).toMatchObject([{ id: 'dmar0', enabled: true, interruptRemapping: true, addressWidth }])
    expect([unit.translationEnabled, unit.interruptRemappingEnabled]).toEqual([true, true])
  })

  it('intel_iommu=off: no groups, but interrupts go through the unit', () => {
    const { unit, iommu } = boot('11.1', 'linux-6.12', 'intel_iommu=off')
    expect(DEVICES.map((device) => iommu.group(device))).toEqual(DEVICES.map(() => null))
    expect([unit.translationEnabled, unit.interruptRemappingEnabled]).toEqual([false, true])
  })

  it('a bypassed root bus beside it: no group, no translation, no messages', () => {
    const port = pci('80:00.0', { headerType: 1, pcieType: 4, acs: { capability: 0x1d, control: 0 } })
    const disk = pci('81:00.0', { pcieType: 0, parent: port })
    const { iommu } = boot('11.1', 'linux-6.12', 'intel_iommu=on', [...DEVICES, port, disk])
    for (const device of [port, disk]) {
      expect(iommu.coverage(device).covered).toBe(false)
      expect(iommu.group(device)).toBeNull()
      expect(iommu.msiMessage(device, 0, 0x31)).toBeNull()
    }
    expect(DEVICES.map((device) => iommu.group(device))).toEqual(GROUPS)
  })

  it("firmware's ring, still live when translation comes on, faults once as a read", () => {
    const { unit, iommu } = boot('11.1', 'linux-6.12', 'intel_iommu=on')
    const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as const }
    unit.translate(requesterOf(DEVICES[4]!), -1, 'untranslated', 0, 0x1ffd_c000, 1, out)
    expect(iommu.readFaults()).toMatchObject([
      { source: '0000:00:05.0', access: 'read', address: 0x1ffd_c000, reason: 0x06 },
    ])
  })
})
