import { describe, expect, it } from 'vitest'
import { parseLine, refusalOfMachine } from './parse-line.ts'

const MiB = 2 ** 20

describe('qemu-system-ppc', () => {
  it('makes a ppce500, as qemu-system-ppc64 does', () => {
    expect(parseLine('qemu-system-ppc -M ppce500')).toMatchObject({ machine: 'ppce500', memory: 128 * MiB, cpus: 1 })
    expect(parseLine('qemu-system-ppc64 -M ppce500 -cpu e5500 -m 8G -smp 4')).toMatchObject({
      machine: 'ppce500',
      cpu: 'e5500',
      memory: 8192 * MiB,
      cpus: 4,
    })
  })

  it('gives it a virtio card by default', () => {
    const { devices } = parseLine('qemu-system-ppc -M ppce500 -nic user')
    expect(devices.map(({ model }) => model)).toEqual(['virtio-net-pci'])
    expect(parseLine('qemu-system-ppc -M ppce500 -nodefaults').devices).toEqual([])
  })

  it('says which machines of the program are known and not modelled', () => {
    expect(refusalOfMachine('qemu-system-ppc')).toMatch(/^QEMU_MACHINE: .*g3beige/)
    expect(refusalOfMachine('qemu-system-ppc -M bamboo')).toMatch(/^QEMU_MACHINE: .*bamboo/)
    expect(refusalOfMachine('qemu-system-ppc -M ppce5')).toMatch(/ppce500/)
    expect(refusalOfMachine('qemu-system-ppc64 -M ppce500,ic-mode=xive')).toMatch(/^QEMU_/)
  })

  it('makes a mac99 of a G5, where its own devices are left out', () => {
    const line = 'qemu-system-ppc64 -M mac99 -cpu 970fx -m 2G -nodefaults -device virtio-rng-pci'
    expect(parseLine(line)).toMatchObject({ machine: 'mac99', memory: 2048 * MiB, cpus: 1, defaultDevices: false })
    expect(refusalOfMachine(line)).toBe('accepted')
    expect(refusalOfMachine('qemu-system-ppc64 -M mac99')).toMatch(/^MACHINE_NOT_MODELLED: .*-nodefaults/)
    expect(refusalOfMachine('qemu-system-ppc64 -M mac99 -nodefaults -m 4G')).toMatch(/^MACHINE_MEMORY/)
    // A G4, with another north bridge.
    expect(refusalOfMachine('qemu-system-ppc -M mac99 -nodefaults')).toMatch(/^QEMU_MACHINE: .*mac99/)
  })

  it('refuses what the machine refuses', () => {
    expect(refusalOfMachine('qemu-system-ppc -M ppce500 -m 100M')).toMatch(/^MACHINE_MEMORY/)
    expect(refusalOfMachine('qemu-system-ppc -M ppce500 -smp 33')).toMatch(/33/)
    expect(refusalOfMachine('qemu-system-ppc64 -M ppce500 -nodefaults -device virtio-iommu-pci')).toMatch(
      /virtio-iommu/,
    )
  })
})
