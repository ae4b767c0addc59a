import { parseQemuCommandLine } from '@dmascope/qemu'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

interface Variation {
  readonly iommu?: string
  readonly append?: string
  readonly guest?: string
  readonly qemu?: '7.2' | '11.1'
  readonly more?: readonly string[]
}

/** Disk 00:01.0 with bit 33, disk 00:02.0 without, and a card: what became of each. */
function outcome({
  iommu = '',
  append = 'intel_iommu=on',
  guest = 'linux-6.12',
  qemu = '11.1',
  more = [],
}: Variation): string[] {
  const line = `-M q35,kernel-irqchip=split -nodefaults -device intel-iommu${iommu}
    -drive file=a,if=none,id=d0 -device virtio-blk-pci,drive=d0,disable-legacy=on,iommu_platform=on
    -drive file=b,if=none,id=d1 -device virtio-blk-pci,drive=d1 -device e1000e -append`
  const description = parseQemuCommandLine([...line.split(/\s+/), append, ...more], { qemuVersion: qemu })
  const { report } = runBoot({ description, guest })
  return report.devices
    .filter(({ id }) => /00:0[123]\.0$/.test(id))
    .map(({ guest: { iommuGroup, domain }, status, passthrough, interrupt, verdict }) =>
      [
        iommuGroup,
        domain,
        passthrough ?? status,
        interrupt.mode,
        interrupt.remapped ? 'remapped' : 'plain',
        verdict,
      ].join(' '),
    )
}

const all = (domain: string, interrupt = 'msix remapped'): string[] => [
  `1 ${domain} translated ${interrupt} works`,
  `2 ${domain} device-bypass ${interrupt} works`,
  `3 ${domain} translated ${interrupt} works`,
]
const identity = ['1 identity identity', '2 identity device-bypass', '3 identity identity'].map(
  (text) => `${text} msix remapped works`,
)
const disabled = Array.from({ length: 3 }, () => ' none iommu-disabled msix remapped works')

/** What Linux makes of each: its own defaults, its command line, and what QEMU's unit can do. */
const CASES: readonly (readonly [name: string, variation: Variation, expected: readonly string[]])[] = [
  ['the default of the distribution is on, and lazy', { append: '' }, all('dma-fq')],
  ['iommu.strict=1', { append: 'iommu.strict=1' }, all('dma')],
  ['intel_iommu=on,strict', { append: 'intel_iommu=on,strict' }, all('dma')],
  ['caching mode is strict', { iommu: ',caching-mode=on' }, all('dma')],
  [
    'caching mode is strict whatever the command line says',
    { iommu: ',caching-mode=on', append: 'iommu.strict=0' },
    all('dma'),
  ],
  ['iommu=pt', { append: 'iommu=pt' }, identity],
  ['iommu=pt, caching mode or not', { iommu: ',caching-mode=on', append: 'iommu=pt' }, identity],
  ['the last of contradicting words wins: pt', { append: 'iommu.passthrough=0 iommu=pt' }, identity],
  ['the last of contradicting words wins: nopt', { append: 'iommu.passthrough=1 iommu=nopt' }, all('dma-fq')],
  ['intel_iommu=off leaves interrupts remapped', { append: 'intel_iommu=off' }, disabled],
  ['iommu=off', { append: 'iommu=off' }, disabled],
  ['intremap=off', { append: 'intremap=off' }, all('dma-fq', 'msix plain')],
  ['nointremap', { append: 'nointremap' }, all('dma-fq', 'msix plain')],
  ['a unit that remaps no interrupts', { iommu: ',intremap=off' }, all('dma-fq', 'msix plain')],
  ['pci=nomsi falls back to the pin', { append: 'pci=nomsi' }, all('dma-fq', 'intx remapped')],
  ['39 bits', { iommu: ',aw-bits=39' }, all('dma-fq')],
  ['device-iotlb', { iommu: ',device-iotlb=on' }, all('dma-fq')],
  ['scalable mode, second stage', { iommu: ',scalable-mode=on' }, all('dma-fq')],
  ['scalable mode, first stage', { iommu: ',scalable-mode=on,fsts=on' }, all('dma-fq')],
  ['scalable mode of 7.2', { iommu: ',x-scalable-mode=on', guest: 'linux-6.1', qemu: '7.2' }, all('dma-fq')],
  ['scalable mode left alone', { iommu: ',scalable-mode=on,fsts=on', append: 'intel_iommu=on,sm_off' }, all('dma-fq')],
  ['scalable mode, passing through', { iommu: ',scalable-mode=on,fsts=on', append: 'iommu=pt' }, identity],
  [
    'scalable mode with caching mode, first stage: stays lazy',
    { iommu: ',scalable-mode=on,fsts=on,caching-mode=on' },
    all('dma-fq'),
  ],
  ['scalable mode with caching mode, second stage', { iommu: ',scalable-mode=on,caching-mode=on' }, all('dma')],
  ['sp_off, igfx_off, sm_on', { append: 'intel_iommu=on,sp_off,igfx_off,sm_on' }, all('dma-fq')],
  ['6 GiB of memory and four processors', { more: ['-m', '6G', '-smp', '4'] }, all('dma-fq')],
  ['64 MiB of memory', { more: ['-m', '64M'] }, all('dma-fq')],
  [
    'without pass-through in the unit, 6.12 translates',
    { iommu: ',pt=off', append: 'iommu=pt', qemu: '7.2' },
    all('dma'),
  ],
  [
    'without pass-through in the unit, 6.1 maps all memory to itself',
    { iommu: ',pt=off', append: 'iommu=pt', guest: 'linux-6.1', qemu: '7.2' },
    all('identity'),
  ],
]

describe('predictions that follow from rules', () => {
  it.each(CASES)('%s', (_name, variation, expected) => {
    expect(outcome(variation)).toEqual(expected)
  })

  it('acpi=off: no table names the unit, and the guest does without', () => {
    const description = parseQemuCommandLine(
      '-M q35,kernel-irqchip=split,acpi=off -nodefaults -device intel-iommu -device e1000e'.split(' '),
      { qemuVersion: '11.1' },
    )
    const { report } = runBoot({ description, guest: 'linux-6.12' })
    expect(report.iommus.filter(({ enabled }) => enabled)).toEqual([])
    const card = report.devices.find(({ id }) => id === '0000:00:01.0')
    expect(card).toMatchObject({
      guest: { iommuGroup: null, dmaPath: 'direct' },
      status: 'passthrough',
      verdict: 'works',
    })
  })
})
