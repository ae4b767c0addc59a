import { describePreset, findPreset } from '@dmascope/machine'
import type { ReportDevice } from '@dmascope/report'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

/** A virtio block device with `iommu_platform=off`, behind VT-d by the firmware's word. */
const LIAR = '0000:00:03.0'

function device(preset: string, guest: string, id: string): ReportDevice {
  const { report } = runBoot({ description: describePreset(findPreset(preset)), guest })
  const found = report.devices.find((one) => one.id === id)
  if (found === undefined) throw new Error(`no ${id}: ${report.devices.map((one) => one.id).join(' ')}`)
  return found
}

describe('a virtio device that bypasses the IOMMU that the tables put it behind', () => {
  it('works under Linux, which gives it physical addresses', () => {
    expect(device('default', 'linux-6.12', LIAR)).toMatchObject({
      verdict: 'works',
      status: 'passthrough',
      passthrough: 'device-bypass',
      firmwareTruth: 'claims-covered',
      guest: { dmaPath: 'physical', domain: 'dma-fq' },
      dma: { stray: 0, translated: 0 },
      findings: ['DMA-0003'],
    })
  })

  it('hangs under a guest that always uses the DMA API: its IOVAs are addresses in the BIOS ROM', () => {
    const liar = device('default', 'always-dma-api', LIAR)
    expect(liar).toMatchObject({
      verdict: 'hangs',
      status: 'passthrough',
      guest: { dmaPath: 'iommu' },
      io: { ok: false },
    })
    expect(liar.dma.stray).toBeGreaterThan(0)
    expect(liar.strays.every((stray) => stray.landed === 'rom')).toBe(true)
    expect(liar.findings).toContain('DMA-0004')
  })

  it('corrupts memory where the allocator goes bottom up: its IOVAs are addresses in RAM', () => {
    const liar = device('default', 'always-dma-api,iova=bottom-up', LIAR)
    expect(liar).toMatchObject({ verdict: 'corrupts', status: 'passthrough', io: { ok: false } })
    const written = liar.strays.filter((stray) => stray.kind === 'write')
    expect(written.length).toBeGreaterThan(0)
    for (const stray of written) {
      expect(stray.landed).toBe('ram')
      expect(stray.before).toMatch(/^[0-9a-f]{2}( [0-9a-f]{2})*$/)
      expect(stray.after).toMatch(/^[0-9a-f]{2}( [0-9a-f]{2})*$/)
    }
    expect(liar.strays.some((stray) => stray.kind === 'read' && stray.after !== undefined)).toBe(true)
  })
})

describe('a DMA probe wired past the IOMMU that the tables put it behind', () => {
  it('writes its pattern over memory that is not its own', () => {
    const { report } = runBoot({ description: describePreset(findPreset('lying-firmware')), guest: 'linux-6.12' })
    const probe = report.devices.find((one) => one.name === 'liar')
    expect(probe).toMatchObject({ verdict: 'corrupts', status: 'passthrough', passthrough: 'device-bypass' })
    const overwritten = probe?.strays.find((stray) => stray.kind === 'write' && stray.landed === 'ram')
    expect(overwritten?.before).toBeDefined()
    expect(overwritten?.after).not.toBe(overwritten?.before)
  })
})
