import { readMachineFile } from '@dmascope/machine/file'
import { describe, expect, it } from 'vitest'
import { bootCell, bootMachine, parseCell, runCell } from '../src/index.ts'

/** Boots what a machine file says; JSON is YAML. */
const boot = (content: object): ReturnType<typeof bootMachine> =>
  bootMachine({
    description: readMachineFile(JSON.stringify(content), { file: 'xen.json', qemuVersion: '11.1' }).description,
    guest: 'linux-6.12',
  })

/** How a kernel fares with a device under Xen. */
const fares = (guest: string, hypervisor: string, device = 'virtio-blk', platform = 'x86-xen'): unknown[] => {
  const { verdict, dmaPath } = runCell(parseCell(`${guest}/${hypervisor}/${platform}/none/${device}`))
  return [verdict, dmaPath]
}

describe('a Xen domain', () => {
  it('works where the kernel gives the machine’s addresses, bit 33 or not', () => {
    expect(fares('linux-4.6', 'qemu-2.4')).toEqual(['works', 'xen'])
    expect(fares('linux-4.8', 'qemu-2.4')).toEqual(['works', 'xen'])
    expect(fares('linux-6.12', 'qemu', 'virtio-blk+platform')).toEqual(['works', 'xen'])
    expect(fares('linux-6.12', 'physical-no-flag', 'virtio-net')).toEqual(['works', 'xen'])
    expect(fares('linux-4.4', 'qemu-2.4', 'nvme')).toEqual(['works', 'xen'])
  })

  it('does not where it gives its own: the same kernels that work without Xen', () => {
    for (const guest of ['linux-4.4', 'platform-dma']) {
      expect(fares(guest, 'qemu-2.4')).toEqual(['corrupts', 'physical'])
      expect(fares(guest, 'qemu-2.4', 'virtio-blk', 'x86')).toEqual(['works', 'physical'])
    }
  })

  it('is behind an IOMMU for a kernel that refuses devices without bit 33, and no other kernel refuses', () => {
    expect(fares('iommu-flag-or-refuse', 'qemu-2.4')).toEqual(['refused', null])
    expect(fares('iommu-flag-or-refuse', 'iommu-flag')).toEqual(['works', 'xen'])
    expect(fares('iommu-flag', 'qemu-2.4')).toEqual(['works', 'xen'])
    expect(fares('iommu-flag-or-refuse', 'qemu-2.4', 'virtio-blk', 'x86')).toEqual(['works', 'direct'])
  })

  it('has each stray access told with whose memory it hit', () => {
    const owners = new Set<unknown>()
    for (const platform of ['x86-xen', 'x86-xen-scattered', 'x86-xen-shared']) {
      for (const device of ['virtio-blk', 'virtio-net', 'virtio-rng']) {
        const booted = bootCell(parseCell(`linux-4.4/qemu-2.4/${platform}/none/${device}`))
        if (typeof booted === 'string') throw new Error(booted)
        for (const { owner } of booted.device!.strays) owners.add(owner)
      }
    }
    expect([...owners].sort()).toEqual(['another domain', 'nobody', 'the guest', 'the hypervisor'])
    const booted = bootCell(parseCell('linux-4.4/qemu-2.4/x86-xen/none/virtio-blk'))
    if (typeof booted === 'string') throw new Error(booted)
    const { owner } = booted.device!.strays[0]!
    expect(booted.device!.why.some(({ fact }) => fact.includes(`landed in ram of ${owner}`))).toBe(true)
    // A machine without Xen has one owner, of whom nothing is said.
    const plain = bootCell(parseCell('always-dma-api/qemu-2.4/x86-vtd/on/virtio-blk'))
    if (typeof plain === 'string') throw new Error(plain)
    expect(plain.device!.strays.length).toBeGreaterThan(0)
    for (const stray of plain.device!.strays) expect(stray).not.toHaveProperty('owner')
  })
})

describe('Xen in a machine file', () => {
  const disk = { model: 'virtio-blk-pci', id: 'disk' }

  it('boots with as much memory as it says, on pc too', () => {
    for (const machine of ['q35', 'pc'] as const) {
      const { report } = boot({ machine, memory: '512M', xen: { memory: '160M', piece: '64K' }, devices: [disk] })
      expect(report.devices.find(({ name }) => name === 'disk')?.verdict).toBe('works')
      expect(report.timeline.map(({ event }) => event)).toContain(
        'Xen 4.17: the first domain, with 40960 pages; frames at 0x2000000',
      )
    }
  })

  it('boots on a machine with memory above 4 GiB, whose frames devices with 32 bits do not reach', () => {
    const { report } = boot({
      machine: 'q35',
      memory: '8G',
      xen: { memory: '1G' },
      devices: [disk, { model: 'e1000e', id: 'net' }],
    })
    expect(report.devices.filter(({ verdict }) => verdict === 'works').map(({ name }) => name)).toEqual(['disk', 'net'])
  })

  it('is refused with what to write instead', () => {
    const refused = (content: object): string => {
      try {
        boot(content)
      } catch (error) {
        return (error as Error).message
      }
      return ''
    }
    expect(refused({ machine: 'virt', cpu: 'cortex-a57', xen: {} })).toContain('Xen is modelled on q35 and pc')
    expect(refused({ machine: 'q35', xen: {}, devices: [{ model: 'intel-iommu' }] })).toContain('leave the IOMMU out')
    expect(refused({ machine: 'q35', memory: '128M', xen: {} })).toBe('xen: Xen wants 256 MiB of memory or more')
    expect(refused({ machine: 'q35', xen: { memory: '500M' } })).toContain('the first domain has from 96 to')
    expect(refused({ machine: 'q35', xen: { memory: 'much' } })).toBe(
      "xen.json:1:34: expected a size such as 192M, got 'much'",
    )
    expect(refused({ machine: 'q35', xen: { piece: '3000' } })).toContain('pieces of 4K to 4M, a power of two')
  })
})
