import { findHostBridges } from '@dmascope/acpi'
import { parseDtb } from '@dmascope/devicetree'
import { parseQemuCommandLine } from '@dmascope/qemu'
import type { Report } from '@dmascope/report'
import { describe, expect, it } from 'vitest'
import { type BootOutcome, runBoot } from '../src/boot/run-boot.ts'

interface Variation {
  readonly qemu?: '7.2' | '11.1'
  readonly append?: string
  readonly guest?: string
}

const SMMU = '-M virt,gic-version=3,iommu=smmuv3'
/** A source with bit 33 at 00:02.0, one without at 00:03.0, and a card at 00:04.0. */
const THREE = `-device virtio-rng-pci,bus=pcie.0,addr=2,disable-legacy=on,iommu_platform=on
  -device virtio-rng-pci,bus=pcie.0,addr=3 -device e1000e,bus=pcie.0,addr=4`
const BRIDGE = '-device pcie-root-port,id=rp,chassis=1,addr=1 -device pcie-pci-bridge,id=br,bus=rp'
const expander = (bypass: 'on' | 'off', device = ''): string =>
  `-device pxb-pcie,id=pxb,bus_nr=0x80,bypass_iommu=${bypass} -device pcie-root-port,id=rp,bus=pxb,chassis=1
   -device virtio-rng-pci,bus=rp${device}`

function boot(line: string, { qemu = '11.1', append = '', guest = 'linux-6.12' }: Variation = {}): BootOutcome {
  const words = `qemu-system-aarch64 -cpu cortex-a57 -nodefaults -m 512 ${line}`.split(/\s+/)
  const description = parseQemuCommandLine([...words, '-append', append], { qemuVersion: qemu })
  return runBoot({ description, guest, tables: true })
}

/** Group, domain, way, verdict. */
const told = ({ guest: { iommuGroup, domain }, status, passthrough, verdict }: Report['devices'][number]): string =>
  [iommuGroup ?? '-', domain, passthrough ?? status, verdict].join(' ')
const outcome = ({ report }: BootOutcome, ...ids: string[]): string[] =>
  ids.map((id) => {
    const found = report.devices.find((one) => one.id === `0000:${id}`)
    return found === undefined ? `${id} missing` : told(found)
  })
const three = (outcomeOf: BootOutcome): string[] => outcome(outcomeOf, '00:02.0', '00:03.0', '00:04.0')

describe('behind an SMMUv3, from a device tree', () => {
  it.each([
    ['arm64 is strict', '', {}, ['0 dma translated works', '1 dma device-bypass works', '2 dma translated works']],
    [
      'iommu.strict=0',
      '',
      { append: 'iommu.strict=0' },
      ['0 dma-fq translated works', '1 dma-fq device-bypass works', '2 dma-fq translated works'],
    ],
    [
      'iommu.passthrough=1',
      '',
      { append: 'iommu.passthrough=1' },
      ['0 identity identity works', '1 identity device-bypass works', '2 identity identity works'],
    ],
    [
      'a bus that bypasses is not announced on 11.1',
      ',default-bus-bypass-iommu=on',
      {},
      ['- none not-covered works', '- none not-covered works', '- none not-covered works'],
    ],
  ] as const)('%s', (_what, more, variation, expected) => {
    expect(three(boot(`${SMMU}${more} ${THREE}`, variation))).toEqual(expected)
  })

  it('messages by a GICv2m frame pass the SMMU too', () => {
    const { report } = boot(`-M virt,iommu=smmuv3 ${THREE}`)
    expect(report.devices.filter(({ io }) => io.ok)).toHaveLength(3)
  })

  it('behind a conventional bridge the first device has the stream, and the others hang', () => {
    const line = `${SMMU} ${BRIDGE} -device virtio-rng-pci,bus=br,addr=1 -device virtio-rng-pci,bus=br,addr=2`
    const { report } = boot(line)
    const [first, second] = ['0000:02:01.0', '0000:02:02.0'].map((id) => report.devices.find((one) => one.id === id))
    expect(first).toMatchObject({ guest: { iommuGroup: 0 }, io: { ok: true } })
    expect(second).toMatchObject({ guest: { iommuGroup: null }, io: { ok: false } })
    expect(second?.faults[0]).toMatchObject({ address: '0x8090040', reason: 0x10 })
  })

  it('never finds what is behind an expander', () => {
    const ids = boot(`${SMMU} ${expander('on')} ${THREE}`).report.devices.map(({ id }) => id)
    expect(ids).toContain('0000:00:04.0')
    expect(ids.some((id) => id.startsWith('0000:8'))).toBe(false)
  })
})

describe('with firmware', () => {
  it('finds what is behind an expander, past the SMMU where that bypasses it', () => {
    expect(outcome(boot(`${SMMU} -bios f ${expander('on')} ${THREE}`), '81:00.0', '00:02.0')).toEqual([
      '- none not-covered works',
      '0 dma translated works',
    ])
  })

  it('and behind it where it does not', () => {
    const seen = boot(`${SMMU} -bios f ${expander('off', ',iommu_platform=on')} ${THREE}`, { qemu: '7.2' })
    expect(outcome(seen, '81:00.0')).toEqual(['1 dma translated works'])
  })

  it.each([
    ['a GICv2 and its frame', '-M virt -bios f', '- none no-iommu works'],
    ['an ITS', '-M virt,gic-version=3 -bios f', '- none no-iommu works'],
    ['a virtio-iommu', '-M virt,gic-version=3 -bios f -device virtio-iommu-pci,addr=1', '0 dma translated works'],
    ['no ACPI: the tree again', `${SMMU},acpi=off -bios f`, '0 dma translated works'],
  ])('%s', (_what, machine, expected) => {
    const [first] = three(boot(`${machine} ${THREE}`))
    expect(first).toBe(expected)
  })

  // So ended Linux 6.12 on QEMU 7.2: without a word after its EFI stub.
  it('an ITS that the MADT names and that is not there ends the kernel', () => {
    const { report } = runBoot({
      description: parseQemuCommandLine(
        'qemu-system-aarch64 -M virt,gic-version=3,its=off -cpu cortex-a57 -nodefaults -bios f'.split(' '),
        { qemuVersion: '7.2' },
      ),
      guest: 'linux-6.12',
    })
    expect(report.guest).toMatchObject({
      booted: false,
      halted: 'synchronous external abort: firmware names an ITS at 0x8080000, where nothing answers',
    })
  })

  it('two SMMUs: each device is behind that of its root bus, and has its doorbell there', () => {
    const machine =
      '-M virt,gic-version=3 -bios f -device pxb-pcie,id=p1,bus_nr=128 -device arm-smmuv3,primary-bus=p1 -device arm-smmuv3,primary-bus=pcie.0'
    const { report } = boot(
      `${machine} -device pcie-root-port,id=rp1,bus=p1,chassis=1 -device virtio-rng-pci,bus=rp1,iommu_platform=on -device virtio-rng-pci,bus=pcie.0,iommu_platform=off`,
    )
    expect(report.iommus.map(({ id, enabled }) => [id, enabled])).toEqual([
      ['smmu3.0x000000000c020000', true],
      ['smmu3.0x000000000c000000', true],
    ])
    const rngs = report.devices.filter(({ kind }) => kind === 'virtio-rng')
    expect(
      rngs.map(({ id, firmware, status, dma, interrupt }) => [
        id,
        firmware.by,
        status,
        dma.other.msi > 0,
        interrupt.lost,
      ]),
    ).toEqual([
      ['0000:81:00.0', 'IORT, stream 0x8100, of the SMMU at 0xc000000', 'translated', true, 0],
      ['0000:00:02.0', 'IORT, stream 0x10, of the SMMU at 0xc020000', 'passthrough', true, 0],
    ])
  })

  it('dumps the tables, and without it the tree', () => {
    const acpi = boot(`${SMMU} -bios f ${expander('on')}`).tables
    expect([...acpi.keys()]).toEqual(['FACP', 'DSDT', 'APIC', 'PPTT', 'GTDT', 'MCFG', 'SPCR', 'DBG2', 'IORT'])
    const bridges = findHostBridges(acpi.get('DSDT')!)
    expect(bridges.map(({ path, bus }) => [path, bus])).toEqual([
      ['\\_SB_.PC80', 0x80],
      ['\\_SB_.PCI0', 0],
    ])
    // Slot 2, INTA: the third of the four interrupts from SPI 3 on.
    const route = bridges[1]?.routing?.find(({ device, pin }) => device === 2 && pin === 0)
    expect(route?.gsi).toBe(32 + 3 + 2)
    expect(parseDtb(boot(SMMU).tables.get('machine.dtb')!).find('/smmuv3@9050000')).toBeDefined()
  })
})
