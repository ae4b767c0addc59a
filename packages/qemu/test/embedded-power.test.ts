import { createMachine, type DmascopeError } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'

const MiB = 2 ** 20

const parse = (line: string) => parseQemuCommandLine(line.split(' '), { qemuVersion: '11.1' })

const refused = (line: string): string => {
  try {
    createMachine(parse(line)).machine.dispose()
  } catch (error) {
    return `${(error as DmascopeError).code}: ${(error as Error).message}`
  }
  return 'accepted'
}

describe('qemu-system-ppc', () => {
  it('makes a ppce500, as qemu-system-ppc64 does', () => {
    expect(parse('qemu-system-ppc -M ppce500')).toMatchObject({ machine: 'ppce500', memory: 128 * MiB, cpus: 1 })
    expect(parse('qemu-system-ppc64 -M ppce500 -cpu e5500 -m 8G -smp 4')).toMatchObject({
      machine: 'ppce500',
      cpu: 'e5500',
      memory: 8192 * MiB,
      cpus: 4,
    })
  })

  it('gives it a virtio card by default', () => {
    const { devices } = parse('qemu-system-ppc -M ppce500 -nic user')
    expect(devices.map(({ model }) => model)).toEqual(['virtio-net-pci'])
    expect(parse('qemu-system-ppc -M ppce500 -nodefaults').devices).toEqual([])
  })

  it('says which machines of the program are known and not modelled', () => {
    expect(refused('qemu-system-ppc')).toMatch(/^QEMU_MACHINE: .*g3beige/)
    expect(refused('qemu-system-ppc -M bamboo')).toMatch(/^QEMU_MACHINE: .*bamboo/)
    expect(refused('qemu-system-ppc -M ppce5')).toMatch(/ppce500/)
    expect(refused('qemu-system-ppc64 -M ppce500,ic-mode=xive')).toMatch(/^QEMU_/)
  })

  it('makes a mac99 of a G5, where its own devices are left out', () => {
    const line = 'qemu-system-ppc64 -M mac99 -cpu 970fx -m 2G -nodefaults -device virtio-rng-pci'
    expect(parse(line)).toMatchObject({ machine: 'mac99', memory: 2048 * MiB, cpus: 1, defaultDevices: false })
    expect(refused(line)).toBe('accepted')
    expect(refused('qemu-system-ppc64 -M mac99')).toMatch(/^MACHINE_NOT_MODELLED: .*-nodefaults/)
    expect(refused('qemu-system-ppc64 -M mac99 -nodefaults -m 4G')).toMatch(/^MACHINE_MEMORY/)
    // A G4, with another north bridge.
    expect(refused('qemu-system-ppc -M mac99 -nodefaults')).toMatch(/^QEMU_MACHINE: .*mac99/)
  })

  it('refuses what the machine refuses', () => {
    expect(refused('qemu-system-ppc -M ppce500 -m 100M')).toMatch(/^MACHINE_MEMORY/)
    expect(refused('qemu-system-ppc -M ppce500 -smp 33')).toMatch(/33/)
    expect(refused('qemu-system-ppc64 -M ppce500 -nodefaults -device virtio-iommu-pci')).toMatch(/virtio-iommu/)
  })
})
