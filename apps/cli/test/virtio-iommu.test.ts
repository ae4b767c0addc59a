import { parseQemuCommandLine } from '@dmascope/qemu'
import type { Report } from '@dmascope/report'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

interface Variation {
  readonly machine?: string
  /** Options of the IOMMU, which is at 00:01.0 unless they say otherwise. */
  readonly iommu?: string
  readonly append?: string
  readonly guest?: string
  readonly qemu?: '7.2' | '11.1'
  readonly devices?: string
}

/** A disk with bit 33 at 00:02.0, one without at 00:03.0, and a card at 00:04.0. */
const THREE = `-device virtio-blk-pci,drive=d0,addr=2,disable-legacy=on,iommu_platform=on
  -device virtio-blk-pci,drive=d1,addr=3 -device e1000e,addr=4`
const DISKS = '-drive file=a,if=none,id=d0 -drive file=b,if=none,id=d1'

function boot(variation: Variation = {}): { report: Report; tables: ReadonlyMap<string, Uint8Array> } {
  const {
    machine = 'q35',
    iommu = 'addr=1',
    append = '',
    guest = 'linux-6.12',
    qemu = '11.1',
    devices = THREE,
  } = variation
  const line = `-M ${machine} -nodefaults ${DISKS} -device virtio-iommu-pci,${iommu} ${devices}`
  const description = parseQemuCommandLine([...line.split(/\s+/), '-append', append], { qemuVersion: qemu })
  return runBoot({ description, guest, tables: true })
}

/** Group, domain, way, verdict. */
const told = ({ guest: { iommuGroup, domain }, status, passthrough, verdict }: Report['devices'][number]): string =>
  [iommuGroup ?? '-', domain, passthrough ?? status, verdict].join(' ')
const outcome = ({ report }: ReturnType<typeof boot>, ...ids: string[]): string[] =>
  ids.map((id) => {
    const found = report.devices.find((one) => one.id === `0000:${id}`)
    return found === undefined ? `${id} missing` : told(found)
  })
const three = (domain: string, last = 3): string[] => [
  `0 ${domain} translated works`,
  `1 ${domain} device-bypass works`,
  `${last} ${domain} translated works`,
]
const findings = ({ report }: ReturnType<typeof boot>): string[] => report.findings.map(({ id }) => id)

describe('domains behind a virtio IOMMU', () => {
  it.each([
    ['6.12 is lazy', {}, three('dma-fq')],
    ['6.12, iommu.strict=1', { append: 'iommu.strict=1' }, three('dma')],
    [
      'Debian builds 6.1 without a driver for it: the IOMMU stays as firmware left it, and lets all pass',
      { guest: 'linux-6.1' },
      ['- none iommu-disabled works', '- none no-iommu works', '- none iommu-disabled works'],
    ],
    ['QEMU 7.2 translates 64 bits', { qemu: '7.2' }, three('dma-fq')],
    ['32 bits', { iommu: 'addr=1,aw-bits=32' }, three('dma-fq')],
    ['intel_iommu=off means another IOMMU', { append: 'intel_iommu=off' }, three('dma-fq')],
    [
      'an IOMMU behind its devices: they wait for it, in the order in which they did',
      { iommu: 'addr=9' },
      three('dma-fq'),
    ],
    ['the pc machine', { machine: 'pc', iommu: 'addr=9' }, three('dma-fq')],
    [
      'iommu.passthrough=1: a bypass domain',
      { append: 'iommu.passthrough=1' },
      ['0 identity identity works', '1 identity device-bypass works', '3 identity identity works'],
    ],
  ] as const)('%s', (_name, variation, expected) => {
    expect(outcome(boot(variation), '00:02.0', '00:03.0', '00:04.0')).toEqual(expected)
  })

  it('names the IOMMU by its function, tells of its width, and remaps no interrupts', () => {
    const { report } = boot()
    expect(report.iommus).toEqual([
      {
        id: '0000:00:01.0',
        kind: 'virtio-iommu',
        base: null,
        addressWidth: 39,
        exposed: true,
        enabled: true,
        interruptRemapping: false,
        default: 'dma-fq',
      },
    ])
    expect(report.devices.find(({ id }) => id === '0000:00:02.0')).toMatchObject({
      firmware: { covered: true, by: 'VIOT PCI range 00:00.0 to 00:1f.7' },
      interrupt: { mode: 'msix', remapped: false },
    })
  })

  it('the IOMMU itself has no group, and is no device in passthrough', () => {
    const itself = boot().report.devices.find(({ id }) => id === '0000:00:01.0')
    expect(itself).toMatchObject({ driver: 'virtio_iommu', status: 'none', firmwareTruth: 'honest', findings: [] })
    expect(itself?.guest.iommuGroup).toBeNull()
    expect(itself?.interrupt.mode).toBe('intx')
  })
})

describe('groups arise as drivers match', () => {
  it('what waits for the IOMMU has its turn in the order in which built-in drivers came to it: ports, virtio, AGP', () => {
    const devices = `-device pcie-root-port,id=rp0,chassis=1,addr=2
      -device virtio-blk-pci,bus=rp0,drive=d0,iommu_platform=on`
    const booted = boot({ devices })
    expect(outcome(booted, '01:00.0', '00:02.0', '00:00.0', '00:1f.0')).toEqual([
      '1 dma-fq translated works',
      '0 dma-fq none untested',
      '2 dma-fq none untested',
      '- none none untested',
    ])
  })

  it('behind a conventional bridge QEMU knows no endpoint of the device’s own: it goes on without the IOMMU', () => {
    const devices = `-device pcie-pci-bridge,id=br0,addr=3 -device e1000e,bus=br0,addr=2
      -device virtio-rng-pci,bus=br0,addr=1,disable-legacy=on,iommu_platform=on`
    const booted = boot({ devices })
    expect(outcome(booted, '01:01.0', '01:02.0')).toEqual(['- none unattached works', '- none unattached works'])
    expect(findings(booted)).toContain('DMA-0018')
    expect(booted.report.devices.find(({ id }) => id === '0000:01:01.0')?.why.map(({ fact }) => fact)).toContain(
      'the IOMMU does not know endpoint 0x108: VIRTIO_IOMMU_S_NOENT; it is left alone',
    )
  })

  it('pages larger than the kernel’s: no device is attached', () => {
    const booted = boot({ iommu: 'addr=1,granule=64k' })
    expect(outcome(booted, '00:02.0', '00:04.0')).toEqual(['- none unattached works', '- none unattached works'])
  })
})

describe('what the IOMMU covers', () => {
  const pxb = (more: string): string => `-device pxb-pcie,id=p0,bus_nr=0x80,bus=pcie.0,addr=4${more}
    -device pcie-root-port,id=rp0,chassis=1,bus=p0 -device virtio-blk-pci,bus=rp0,drive=d0,iommu_platform=on`
  /** First and last requester ID of each range. */
  const ranges = ({ tables }: ReturnType<typeof boot>): string[] => {
    const viot = tables.get('VIOT')
    if (viot === undefined) return ['no VIOT']
    const view = new DataView(viot.buffer, viot.byteOffset, viot.length)
    const nodes = view.getUint16(36, true)
    return Array.from({ length: nodes - 1 }, (_, index) => {
      const at = 64 + 24 * index
      return [at + 12, at + 14].map((offset) => view.getUint16(offset, true).toString(16).padStart(4, '0')).join('-')
    })
  }

  it('a range for each root bus, with the buses below it as firmware numbered them', () => {
    const booted = boot({ devices: pxb('') })
    expect(ranges(booted)).toEqual(['0000-00ff', '8000-81ff'])
    expect(outcome(booted, '81:00.0')).toEqual(['1 dma-fq translated works'])
  })

  it('not a bus with bypass_iommu: MSI-X works there all the same, since nothing remaps it', () => {
    const booted = boot({ devices: pxb(',bypass_iommu=on') })
    expect(ranges(booted)).toEqual(['0000-00ff'])
    expect(outcome(booted, '81:00.0')).toEqual(['- none not-covered works'])
    expect(booted.report.devices.find(({ id }) => id === '0000:81:00.0')?.interrupt.mode).toBe('msix')
  })

  it('default_bus_bypass_iommu: the table names the IOMMU alone', () => {
    const booted = boot({ machine: 'q35,default_bus_bypass_iommu=on' })
    expect(ranges(booted)).toEqual([])
    expect(booted.report.iommus).toMatchObject([{ id: '0000:00:01.0', enabled: true }])
    expect(outcome(booted, '00:02.0')).toEqual(['- none not-covered works'])
  })
})

describe('without its driver, and without bypass', () => {
  it('the module left out: every probe of what VIOT names waits for ever', () => {
    const booted = boot({ guest: 'linux-6.12,without=virtio_iommu' })
    for (const id of ['00:02.0', '00:03.0', '00:04.0']) {
      const device = booted.report.devices.find((one) => one.id === `0000:${id}`)
      expect(device).toMatchObject({ driver: null, status: 'none', guest: { iommuGroup: null } })
    }
    expect(booted.report.iommus).toMatchObject([{ enabled: false, default: 'none' }])
    expect(findings(booted)).toEqual(['DMA-0017'])
  })

  it('boot-bypass=off: SeaBIOS’s AHCI is refused, and no kernel starts', () => {
    const booted = boot({ iommu: 'addr=1,boot-bypass=off' })
    expect(booted.report.guest).toMatchObject({ booted: false, halted: expect.stringContaining('AHCI 00:1f.2') })
    expect(booted.report.devices).toEqual([])
    expect(booted.report.findings).toMatchObject([
      { id: 'DMA-0016', level: 'error', fix: '-device virtio-iommu-pci,...,boot-bypass=on' },
    ])
  })

  it('boot-bypass=off without AHCI: the first disk decides, by where its ring is looked for', () => {
    const iommu = 'addr=1,boot-bypass=off'
    const refused = boot({ machine: 'q35,sata=off', iommu })
    expect(refused.report.guest.halted).toContain('virtio-blk 00:02.0 never answers the read of its boot sector')
    const direct = boot({ machine: 'q35,sata=off', iommu, devices: '-device virtio-blk-pci,drive=d1,addr=3' })
    expect(direct.report.guest.booted).toBe(true)
    expect(outcome(direct, '00:03.0')).toEqual(['0 dma-fq device-bypass works'])
  })
})

describe('what QEMU refuses', () => {
  it.each([
    ['-device virtio-iommu-pci -device virtio-iommu-pci', 'QEMU does not support multiple vIOMMUs for x86 yet.'],
    ['-device intel-iommu -device virtio-iommu-pci', 'QEMU does not support multiple vIOMMUs for x86 yet.'],
    ['-device virtio-iommu-pci -device intel-iommu', 'QEMU does not support multiple vIOMMUs for x86 yet.'],
    ['-device virtio-iommu-pci,aw-bits=20', 'aw-bits must be within [32,64]'],
    ['-device virtio-iommu-pci,disable-legacy=on,disable-modern=on', 'neither modern nor legacy mode is enabled'],
    ['-device virtio-iommu-pci,granule=3k', 'granule'],
  ])('%s', (line, message) => {
    const refused = (): unknown =>
      runBoot({
        description: parseQemuCommandLine(`-M q35 -nodefaults ${line}`.split(' '), { qemuVersion: '11.1' }),
        guest: 'linux-6.12',
      })
    expect(refused).toThrow(message)
  })

  it('not a legacy interface: the device has none, whatever is asked for', () => {
    expect(outcome(boot({ iommu: 'addr=1,disable-legacy=off' }), '00:02.0')).toEqual(['0 dma-fq translated works'])
  })
})
