import type { ReportDevice } from '@dmascope/report'
import { bootMachine, describeCell, parseCell } from '@dmascope/scenarios'
import { describe, expect, it } from 'vitest'

/** A device that writes to a buffer once more after its driver has unmapped it, on this platform. */
function lateWriter(platform: string, append = ''): ReportDevice {
  const { description } = describeCell(parseCell(`linux-6.12/qemu/${platform}/late-writer`))
  if (description === null) throw new Error(`no machine for ${platform}`)
  const { report } = bootMachine({
    description: { ...description, append: `${description.append} ${append}`.trim() },
    guest: 'linux-6.12',
    selfTestBytes: 4096,
  })
  const device = report.devices.find(({ name }) => name === 'asked')
  if (device === undefined) throw new Error('the guest never found it')
  return device
}

describe('a write to a buffer after it was unmapped', () => {
  it('still succeeds in a domain that invalidates lazily, and lands in what has become other memory', () => {
    const device = lateWriter('x86-vtd/on')
    expect(device).toMatchObject({
      guest: { domain: 'dma-fq' },
      status: 'translated',
      verdict: 'corrupts',
      dma: { faulted: 0, stray: 1 },
    })
    expect(device.strays).toMatchObject([{ kind: 'write', landed: 'ram', takenBack: true }])
    expect(device.findings).toEqual(expect.arrayContaining(['DMA-0005', 'DMA-0013']))
  })

  it('is refused on the same machine in a strict domain, and does no harm', () => {
    const device = lateWriter('x86-vtd/on', 'iommu.strict=1')
    expect(device).toMatchObject({
      guest: { domain: 'dma' },
      status: 'translated',
      verdict: 'works',
      dma: { faulted: 1, stray: 0 },
    })
    expect(device.faults).toMatchObject([{ phase: 'self-test', text: expect.stringMatching(/^write: /) }])
  })

  it('is refused by an SMMU, whose domains are strict unless asked otherwise', () => {
    expect(lateWriter('arm64-smmuv3/on')).toMatchObject({ verdict: 'works', dma: { faulted: 1, stray: 0 } })
    const lazy = lateWriter('arm64-smmuv3/on', 'iommu.strict=0')
    expect(lazy).toMatchObject({ guest: { domain: 'dma-fq' }, verdict: 'corrupts', dma: { faulted: 0, stray: 1 } })
  })

  it.each(['x86/none', 'x86-vtd/pt', 'pseries/on'])('always succeeds where all memory is mapped: %s', (platform) => {
    expect(lateWriter(platform)).toMatchObject({ verdict: 'corrupts', strays: [{ takenBack: true }] })
  })
})
