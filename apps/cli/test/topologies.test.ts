import type { DeviceDescription } from '@dmascope/machine'
import { parseQemuCommandLine } from '@dmascope/qemu'
import type { ReportDevice } from '@dmascope/report'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

const Q35 = '-M q35,kernel-irqchip=split -append intel_iommu=on'
const VTD = '-device intel-iommu,intremap=on'
const RNG = 'virtio-rng-pci,disable-legacy=on,iommu_platform=on'

const boot = (...options: readonly string[]): readonly ReportDevice[] => bootOn('11.1', ...options)

function bootOn(qemuVersion: '7.2' | '11.1', ...options: readonly string[]): readonly ReportDevice[] {
  const words = options.join(' ').split(/\s+/)
  const description = parseQemuCommandLine(['qemu-system-x86_64', '-nodefaults', '-m', '512', ...words], {
    qemuVersion,
  })
  return runBoot({ description, guest: 'linux-6.12' }).report.devices
}

const device = (devices: readonly ReportDevice[], id: string): ReportDevice | undefined =>
  devices.find((one) => one.id === `0000:${id}`)

/** Group by address, of the devices that have an ID or an address on a bus other than 0. */
const groups = (devices: readonly ReportDevice[]): Record<string, number | null> =>
  Object.fromEntries(
    devices
      .filter(({ id, name }) => name !== null || !id.startsWith('0000:00'))
      .map(({ id, guest }) => [id.slice(5), guest.iommuGroup]),
  )

describe('groups', () => {
  it('functions of an e1000e are apart, as integrated endpoints of Intel are known to be; of an nvme they are not', () => {
    const devices = boot(
      `${Q35} ${VTD} -device e1000e,id=a,addr=8.0,multifunction=on -device e1000e,id=b,addr=8.1`,
      '-device nvme,id=c,serial=a,addr=9.0,multifunction=on -device nvme,id=d,serial=b,addr=9.1',
    )
    expect(groups(devices)).toMatchObject({ '00:08.0': 1, '00:08.1': 2, '00:09.0': 3, '00:09.1': 3 })
  })

  it('below a root port, an i82801b11-bridge sends messages as itself, and Linux takes it for one that does not', () => {
    const devices = (at: string): readonly ReportDevice[] =>
      boot(
        `${Q35} ${VTD} -device pcie-root-port,id=rp,addr=2,chassis=1`,
        `-device i82801b11-bridge,id=br,${at} -device ${RNG},bus=br,addr=1`,
      )
    const lost = device(devices('bus=rp'), '02:01.0')
    expect(lost).toMatchObject({ status: 'translated', verdict: 'faults', interrupt: { mode: 'msix', delivered: 0 } })
    expect(lost?.guest.iommuGroup).toBe(device(devices('bus=rp'), '01:00.0')?.guest.iommuGroup)
    expect(device(devices('bus=pcie.0,addr=3'), '02:01.0')).toMatchObject({ status: 'translated', verdict: 'works' })
  })

  it('a pair of root ports without ACS, functions of one device, is one with all below', () => {
    const devices = boot(
      `${Q35} ${VTD} -device ioh3420,id=a,addr=2.0,multifunction=on,chassis=1 -device ioh3420,id=b,addr=2.1,chassis=2`,
      `-device ${RNG},bus=a -device ${RNG},bus=b`,
    )
    // The host bridge is 0; of the chipset, all of device 31 is one.
    expect(groups(devices)).toEqual({ '00:02.0': 1, '00:02.1': 1, '01:00.0': 1, '02:00.0': 1 })
  })

  it('downstream ports below a port with ACS are one each with their child, but as functions of one device all one', () => {
    const ports = (first: string, second: string): readonly ReportDevice[] =>
      boot(
        `${Q35} ${VTD} -device pcie-root-port,id=rp,addr=2,chassis=1 -device x3130-upstream,id=up,bus=rp`,
        `-device xio3130-downstream,id=a,bus=up,chassis=2,${first} -device xio3130-downstream,id=b,bus=up,chassis=3,${second}`,
        `-device ${RNG},bus=a -device ${RNG},bus=b`,
      )
    expect(groups(ports('addr=0', 'addr=1'))).toEqual({
      '00:02.0': 1,
      '01:00.0': 3,
      '02:00.0': 4,
      '02:01.0': 5,
      '03:00.0': 4,
      '04:00.0': 5,
    })
    expect(groups(ports('addr=0.0,multifunction=on', 'addr=0.1'))).toMatchObject({
      '02:00.0': 4,
      '02:00.1': 4,
      '03:00.0': 4,
      '04:00.0': 4,
    })
  })

  it('several expanders’ buses are numbered newest first, as the DSDT names them', () => {
    const devices = boot(
      `${Q35} ${VTD} -device pxb-pcie,id=a,bus=pcie.0,bus_nr=0x40,addr=4 -device pxb-pcie,id=b,bus=pcie.0,bus_nr=0x80,addr=5`,
      '-device pcie-root-port,id=pa,bus=a,addr=1,chassis=1 -device pcie-root-port,id=pb,bus=b,addr=1,chassis=2',
      `-device ${RNG},bus=pa -device ${RNG},bus=pb`,
    )
    expect(groups(devices)).toEqual({
      '00:04.0': 1,
      '00:05.0': 2,
      '80:01.0': 4,
      '81:00.0': 5,
      '40:01.0': 6,
      '41:00.0': 7,
    })
  })
})

describe('behind a root port, an AMD IOMMU', () => {
  const ported = `-M q35 -device amd-iommu,dma-remap=on -device pcie-root-port,id=rp,addr=2,chassis=1 -device ${RNG},bus=rp`

  it('of QEMU 11.1 knows a device by its bus', () => {
    expect(device(boot(ported), '01:00.0')).toMatchObject({ status: 'translated', verdict: 'works', faults: [] })
  })

  it('of QEMU 7.2 knows it by the number that its bus had before firmware, 0: it passes for the host bridge', () => {
    const devices = bootOn('7.2', ported.replace(',dma-remap=on', ''))
    expect(device(devices, '01:00.0')).toMatchObject({
      guest: { domain: 'dma' },
      dma: { translated: 0 },
      io: { ok: false },
      verdict: 'faults',
    })
    expect(device(devices, '01:00.0')?.faults).not.toEqual([])
  })
})

describe('a bus wired past the IOMMU', () => {
  const below = `-device pcie-root-port,id=rp,bus=pxb,chassis=1 -device ${RNG},bus=rp`
  const bypassed = `-device pxb-pcie,id=pxb,bus_nr=0x80,bypass_iommu=on,addr=4 ${below}`

  it('leaves its devices without messages where interrupts are remapped, and the pins of an expander lead nowhere', () => {
    expect(device(boot(Q35, VTD, bypassed), '81:00.0')).toMatchObject({
      firmware: { covered: false },
      guest: { iommuGroup: null, domain: 'none', dmaPath: 'direct' },
      interrupt: { mode: 'intx', delivered: 0, lost: 1 },
      status: 'passthrough',
      verdict: 'hangs',
    })
  })

  it('works with messages where interrupts are not remapped', () => {
    expect(device(boot(Q35, '-device intel-iommu,intremap=off', bypassed), '81:00.0')).toMatchObject({
      interrupt: { mode: 'msix', remapped: false, lost: 0 },
      status: 'passthrough',
      verdict: 'works',
    })
  })

  it('works with pins on the machine’s own bus', () => {
    const machine = '-M q35,kernel-irqchip=split,default_bus_bypass_iommu=on -append intel_iommu=on'
    expect(device(boot(machine, VTD, `-device ${RNG},addr=4`), '00:04.0')).toMatchObject({
      guest: { iommuGroup: null },
      interrupt: { mode: 'intx', lost: 0 },
      verdict: 'works',
    })
  })

  it('is not what an expander without bypass_iommu brings, though the machine’s own bus be bypassed', () => {
    const machine = '-M q35,kernel-irqchip=split,default_bus_bypass_iommu=on -append intel_iommu=on'
    expect(device(boot(machine, VTD, `-device pxb-pcie,id=pxb,bus_nr=0x80,addr=4 ${below}`), '81:00.0')).toMatchObject({
      firmware: { covered: true },
      guest: { iommuGroup: 1, domain: 'dma-fq' },
      interrupt: { mode: 'msix', remapped: true },
      status: 'translated',
      verdict: 'works',
    })
  })
})

describe('pins behind an expander', () => {
  it('arrive on a pc', () => {
    const devices = boot('-M pc -device pxb,id=pxb,bus_nr=8,addr=7 -device virtio-rng-pci,vectors=0,bus=pxb,addr=3')
    expect(device(devices, '08:00.0')).toMatchObject({ vendor: '1b36', device: '0001' })
    expect(device(devices, '09:03.0')).toMatchObject({ interrupt: { mode: 'intx', lost: 0 }, verdict: 'works' })
  })

  it('keep a line busy on a q35 that others share: these are slow then, not dead', () => {
    const options = 'virtio-rng-pci,vectors=0'
    const devices = boot(
      '-M q35 -device pxb-pcie,id=pxb,bus_nr=8,bus=pcie.0,addr=4 -device pci-bridge,id=br,bus=pxb,addr=4,chassis_nr=1',
      `-device ${options},bus=br,addr=4`,
      ...[0, 1, 2, 3].map((slot) => `-device ${options},bus=pcie.0,addr=${(slot + 8).toString(16)}`),
    )
    expect(device(devices, '09:04.0')?.verdict).toBe('hangs')
    for (const slot of ['08', '09', '0a', '0b']) expect(device(devices, `00:${slot}.0`)?.verdict).toBe('works')
  })

  it('never arrive on a q35, bypassed or not', () => {
    const devices = boot(
      `${Q35} ${VTD} -device pxb-pcie,id=pxb,bus_nr=8,addr=7 -device pci-bridge,id=br,bus=pxb,addr=4,chassis_nr=1`,
      `-device ${RNG},vectors=0,bus=br,addr=3`,
    )
    expect(device(devices, '09:03.0')).toMatchObject({
      firmware: { covered: true },
      interrupt: { mode: 'intx', lost: 1 },
      verdict: 'hangs',
    })
  })
})

describe('conventional bridges', () => {
  const nested = (intremap: 'on' | 'off'): readonly ReportDevice[] =>
    boot(
      `${Q35} -device intel-iommu,intremap=${intremap} -device pcie-pci-bridge,id=outer,addr=5`,
      `-device ${RNG},bus=outer,addr=1 -device pci-bridge,id=inner,bus=outer,addr=2,chassis_nr=1 -device ${RNG},bus=inner,addr=1`,
    )

  it('make one group of all below them, under one requester ID', () => {
    expect(groups(nested('off'))).toEqual({ '00:05.0': 1, '01:01.0': 1, '01:02.0': 1, '02:01.0': 1 })
  })

  it('one behind the other under PCI Express: Linux allows a range of buses, which QEMU reads backwards', () => {
    expect(device(nested('on'), '01:01.0')).toMatchObject({ status: 'translated', verdict: 'works' })
    expect(device(nested('on'), '02:01.0')).toMatchObject({
      interrupt: { mode: 'msix', delivered: 0, lost: 1 },
      verdict: 'faults',
    })
    expect(device(nested('off'), '02:01.0')).toMatchObject({ status: 'translated', verdict: 'works' })
  })

  it('on a conventional bus, their own ID is exact, and messages arrive', () => {
    const devices = boot(
      `${Q35} ${VTD} -device i82801b11-bridge,id=outer,addr=5 -device pci-bridge,id=inner,bus=outer,addr=2,chassis_nr=1`,
      `-device ${RNG},bus=inner,addr=1`,
    )
    expect(device(devices, '02:01.0')).toMatchObject({ status: 'translated', verdict: 'works' })
  })
})

describe('a device at a number other than 0 at the end of a link', () => {
  it('is there, and no guest looks', () => {
    const description = parseQemuCommandLine(
      `qemu-system-x86_64 -nodefaults -M q35 -device pcie-root-port,id=rp -device e1000e,bus=rp -device e1000e,bus=rp`.split(
        ' ',
      ),
      { qemuVersion: '11.1' },
    )
    const { report } = runBoot({ description, guest: 'linux-6.12' })
    expect(report.devices.map(({ id }) => id)).not.toContain('0000:01:01.0')
    expect(report.unseen).toEqual([{ id: '0000:01:01.0', model: 'e1000e' }])
  })
})

describe('any tree of switches and bridges', () => {
  const KINDS = ['pcie-root-port', 'ioh3420', 'pcie-pci-bridge', 'i82801b11-bridge', 'pxb-pcie'] as const
  const node = fc.record({
    kind: fc.constantFrom(...KINDS),
    below: fc.nat(5),
    bypass: fc.boolean(),
    platform: fc.boolean(),
    vectors: fc.boolean(),
  })

  it('each device’s DMA goes where its root bus is wired, and only pins behind expanders lose interrupts', () => {
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 5 }), (nodes) => {
        const devices: DeviceDescription[] = [
          { model: 'intel-iommu', properties: { intremap: 'off' }, location: { text: 'test' } },
        ]
        // A bus for each node, with a device on it: whether it is wired past the IOMMU, and below an expander.
        const buses = [{ name: 'pcie.0', bypass: false, expander: false, conventional: false }]
        const expected = new Map<string, { status: string; lost: boolean }>()
        for (const [index, { kind, below, bypass, platform, vectors }] of nodes.entries()) {
          const above = kind === 'pxb-pcie' ? buses[0]! : buses[below % buses.length]!
          const name = `bus${index}`
          const properties = {
            'pcie-root-port': { chassis: index + 1 },
            ioh3420: { chassis: index + 1 },
            'pcie-pci-bridge': {},
            'i82801b11-bridge': {},
            'pxb-pcie': { bus_nr: 0x20 * (index + 1), bypass_iommu: bypass },
          }[kind]
          const place = kind === 'pxb-pcie' || above.name === 'pcie.0' ? index + 2 : null
          devices.push({
            model: kind,
            id: name,
            bus: above.name,
            properties,
            location: { text: name },
            // Below a link, only device 0 is found; elsewhere slot 0 may be kept from use.
            addr: { device: place ?? (isLink(above.name, nodes) ? 0 : index + 1), function: 0 },
          })
          const expander = kind === 'pxb-pcie'
          buses.push({
            name,
            bypass: expander ? bypass : above.bypass,
            expander: expander || above.expander,
            conventional: kind.endsWith('bridge'),
          })
          // QEMU lets nothing but bridges stand on an expander's own bus.
          if (expander) continue
          const id = `dev${index}`
          devices.push({
            model: 'virtio-rng-pci',
            id,
            bus: name,
            properties: {
              'disable-legacy': 'on',
              iommu_platform: platform,
              ...(!vectors && { vectors: 0 }),
            },
            location: { text: id },
            addr: { device: isLink(name, nodes) ? 0 : 20 + index, function: 0 },
          })
          const at = buses[buses.length - 1]!
          expected.set(id, {
            status: platform && !at.bypass ? 'translated' : 'passthrough',
            lost: at.expander && !vectors,
          })
        }
        const taken = devices.map(({ bus, addr }) => `${bus} ${addr?.device}`)
        fc.pre(new Set(taken).size === taken.length)
        const { report } = runBoot({
          description: {
            machine: 'q35',
            qemuVersion: '11.1',
            name: 'test',
            source: 'file',
            memory: 0x2000_0000,
            cpus: 1,
            defaultDevices: false,
            machineProperties: {},
            devices,
            append: 'intel_iommu=on',
            ignored: [],
          },
          guest: 'linux-6.12',
        })
        for (const [id, { status, lost }] of expected) {
          const one = report.devices.find(({ name }) => name === id)
          expect([id, one?.status, one?.verdict]).toEqual([id, status, lost ? 'hangs' : 'works'])
          expect(one?.dma.stray).toBe(0)
        }
      }),
      // A boot each: not for the long runs of CI.
      { numRuns: 50 },
    )
  })

  /** Whether the bus of this name is a PCI Express link. */
  const isLink = (name: string, nodes: readonly { kind: (typeof KINDS)[number] }[]): boolean => {
    const kind = nodes[Number(name.slice(3))]?.kind
    return kind === 'pcie-root-port' || kind === 'ioh3420'
  }
})
