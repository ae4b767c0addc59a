import { describe, expect, it } from 'vitest'
import { createMachine, type MachineDescription, type PropertyValue } from '../src/index.ts'

const describeMachine = (
  machine: 'q35' | 'pc',
  machineProperties: Readonly<Record<string, PropertyValue>>,
  devices: MachineDescription['devices'] = [],
): MachineDescription => ({
  machine,
  qemuVersion: '11.1',
  name: machine,
  source: 'file',
  memory: 256 * 1024 * 1024,
  cpus: 1,
  defaultDevices: false,
  machineProperties,
  devices,
  append: '',
  ignored: [],
})

const idsOf = (description: MachineDescription): string[] => {
  const { machine } = createMachine(description)
  const ids = machine.observe().map(({ id }) => id)
  machine.dispose()
  return ids
}

const VTD: MachineDescription['devices'] = [{ model: 'intel-iommu', properties: {}, location: { text: 'test' } }]

const hasDmar = (description: MachineDescription): boolean => {
  const { machine, files } = createMachine(description)
  machine.dispose()
  return Buffer.from(files.get('etc/acpi/tables')!.bytes).includes('DMAR')
}

describe('functions of the chipset that a machine property leaves out', () => {
  it('q35: all without one; AHCI with sata=off; SMBus with smbus=off', () => {
    const all = ['0000:00:00.0', '0000:00:1f.0', '0000:00:1f.2', '0000:00:1f.3']
    expect(idsOf(describeMachine('q35', {}))).toEqual(all)
    expect(idsOf(describeMachine('q35', { sata: false }))).toEqual(all.filter((id) => id !== '0000:00:1f.2'))
    expect(idsOf(describeMachine('q35', { smbus: false }))).toEqual(all.filter((id) => id !== '0000:00:1f.3'))
  })

  it('pc: power management with acpi=off', () => {
    expect(idsOf(describeMachine('pc', {}))).toContain('0000:00:01.3')
    expect(idsOf(describeMachine('pc', { acpi: 'off' }))).not.toContain('0000:00:01.3')
  })

  it('with acpi=off no table names the IOMMU that is there', () => {
    expect(hasDmar(describeMachine('q35', {}, VTD))).toBe(true)
    expect(hasDmar(describeMachine('q35', { acpi: 'auto' }, VTD))).toBe(true)
    expect(hasDmar(describeMachine('q35', { acpi: 'off' }, VTD))).toBe(false)
  })
})
