import { describe, expect, it } from 'vitest'
import { joinReport } from '../src/index.ts'
import { accounts, counts, guestDevice, guestResult, observation, stray, vtd, withStrays } from './accounts.ts'
import { findingsOf, hung, NO_33, overwrite, PAST, WITH_33 } from './rule-cases.ts'

describe('findings', () => {
  it('say nothing of a device that is translated, honest, and works', () => {
    expect(findingsOf({})).toEqual([])
  })

  it('come gravest first, the machine’s before those of devices, devices in enumeration order', () => {
    const ids = ['0000:00:09.0', '0000:00:02.0']
    const found = joinReport(
      accounts(
        guestResult({ iommus: [], devices: ids.map((id) => guestDevice({ id, dmaPath: 'direct', ...hung })) }),
        ids.map((id) =>
          observation({ id, ...PAST, dma: { ...observation(PAST).dma, probe: counts({ untranslated: 1 }) } }),
        ),
      ),
    ).findings
    expect(found.map(({ id, device }) => `${id} ${device}`)).toEqual([
      'DMA-0010 0000:00:09.0',
      'DMA-0010 0000:00:02.0',
      'DMA-0002 null',
      'DMA-0014 0000:00:09.0',
      'DMA-0014 0000:00:02.0',
    ])
  })
})

describe('the message of a finding', () => {
  it('names the unit that the tables put the device behind, where there are several', () => {
    const guest = { iommus: [vtd(), vtd({ id: 'dmar1', base: 0xfed9_1000 })] }
    const device = { firmware: { covered: true, by: 'DMAR DRHD 0xfed91000, INCLUDE_PCI_ALL' } }
    const [found] = findingsOf({ guest: { ...guest, devices: [guestDevice(device)] }, seen: PAST })
    expect(found?.message).toContain('puts it behind dmar1.')
  })

  it('does not blame a missing feature bit where the device offers it and is wired past the IOMMU', () => {
    const [overwrote, bypass] = findingsOf({ seen: { ...PAST, ...withStrays(overwrite) } })
    expect(bypass).toMatchObject({ id: 'DMA-0003', message: expect.stringMatching(/It is wired past it\.$/) })
    expect(overwrote).toMatchObject({ id: 'DMA-0005' })
    for (const { fix } of [overwrote!, bypass!]) {
      expect(fix).toBe('wire the device behind the IOMMU, or leave it out of the tables')
    }
  })

  it('says of memory that a device had had that it was taken back', () => {
    const late = stray({ kind: 'write', landed: 'ram', takenBack: true })
    const found = findingsOf({ device: { domain: 'identity' }, seen: withStrays(late) }).find(
      ({ id }) => id === 'DMA-0005',
    )
    expect(found?.message).toMatch(/^00:03\.0 overwrote memory that had been taken back from it: a write/)
    const lazy = findingsOf({ device: { domain: 'dma-fq' }, seen: withStrays(late) }).find(
      ({ id }) => id === 'DMA-0005',
    )
    expect([found?.fix, lazy?.fix]).toEqual([expect.stringContaining('wire the device'), '-append "iommu.strict=1"'])
  })

  it('does not call IOVAs physical where a device takes them for that', () => {
    expect(findingsOf({ device: { dmaPath: 'iommu' }, seen: PAST }).map(({ id }) => id)).toEqual(['DMA-0003'])
  })

  it('tells of a bus that sees memory elsewhere, where a device on it was given physical addresses', () => {
    const windowsBy = 'dma-ranges of /pcie@10000000'
    const device = { ...hung, virtio: NO_33, dmaPath: 'physical', windowsBy } as const
    const nowhere = stray({ landed: 'hole', physical: null, busAddress: '0x5ff9d002' })
    const [found] = findingsOf({ guest: { iommus: [] }, device, seen: { ...PAST, ...withStrays(nowhere) } })
    expect(found?.message).toMatch(
      /^00:03\.0 never completes .*at bus address 0x5ff9d002, which leads nowhere\. It was given physical addresses, and its bus sees memory at others \(dma-ranges of \/pcie@10000000\)\.$/,
    )
    const given = { virtio: WITH_33, dmaPath: 'direct' } as const
    const ids = (more: { windowsBy?: string }): string[] =>
      findingsOf({ guest: { iommus: [] }, device: { ...given, ...more }, seen: PAST }).map(({ id }) => id)
    expect(ids({})).toContain('DMA-0014')
    expect(ids({ windowsBy })).not.toContain('DMA-0014')
  })

  it('gives the model as the user wrote it, not as the machine calls it', () => {
    const described = { location: 'x', model: 'virtio-blk-pci-non-transitional', properties: {} }
    const [found] = findingsOf({ device: { virtio: NO_33 }, seen: { ...PAST, described } })
    expect(found?.fix).toBe('-device virtio-blk-pci-non-transitional,...,iommu_platform=on,disable-legacy=on')
  })
})
