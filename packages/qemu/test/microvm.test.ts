import { createMachine, type MachineDescription } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'

const parse = (line: string, qemuVersion: '7.2' | '11.1' = '11.1'): MachineDescription =>
  parseQemuCommandLine(line.split(' '), { qemuVersion })

function refused(line: string, qemuVersion: '7.2' | '11.1' = '11.1'): string {
  try {
    createMachine(parse(line, qemuVersion)).machine.dispose()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('-M microvm', () => {
  it('has 128 MiB, and none of the devices that PCs come with', () => {
    const { machine, memory, devices, machineProperties } = parse('-M microvm')
    expect({ machine, memory, devices, machineProperties }).toEqual({
      machine: 'microvm',
      memory: 0x800_0000,
      devices: [],
      machineProperties: {},
    })
    const built = createMachine(parse('-M microvm'))
    expect(built.machine.observe()).toEqual([])
    built.machine.dispose()
  })

  it('takes its own properties, typed', () => {
    const line =
      '-M microvm,acpi=on,pcie=auto,ioapic2=off,rtc=on,pic=off,pit=auto,isa-serial=off,auto-kernel-cmdline=off,x-option-roms=off'
    expect(parse(line).machineProperties).toEqual({
      acpi: 'on',
      pcie: 'auto',
      ioapic2: 'off',
      rtc: 'on',
      pic: 'off',
      pit: 'auto',
      'isa-serial': false,
      'auto-kernel-cmdline': false,
    })
  })

  it.each([
    ['-M microvm,hpet=on', "Property 'hpet' not found"],
    ['-M microvm,default_bus_bypass_iommu=on', "Property 'default_bus_bypass_iommu' not found"],
    ['-M microvm,vmport=on', "Property 'vmport' not found"],
    ['-M microvm,max-ram-below-4g=1G', "Property 'max-ram-below-4g' not found"],
    ['-M q35,pcie=on', "Property 'pcie' not found"],
    ['-M q35,x-option-roms=off', "Property 'x-option-roms' not found"],
    ['-M microvm,pcies=on', "Property 'pcies' not found; did you mean 'pcie'?"],
    ['-M microvm,pcie=maybe', "does not accept 'maybe'"],
    ['-M microvm-7.2', "unsupported machine type 'microvm-7.2'"],
    ['-M microvm -smp 300', "Invalid SMP CPUs 300. The max CPUs supported by machine 'microvm' is 288"],
    ['-M microvm,usb=on', 'a USB controller that is on no bus is not modelled'],
    ['-M microvm -device intel-iommu', "Parameter 'driver' expects a dynamic sysbus device type for the machine"],
    ['-M microvm,pcie=on -device amd-iommu', "Parameter 'driver' expects a dynamic sysbus device type for the machine"],
    ['-M microvm -device e1000', "No 'PCI' bus found for device 'e1000'"],
    ['-M microvm -drive if=virtio,driver=null-co', "No 'PCI' bus found for device 'virtio-blk-pci'"],
    ['-M microvm -drive if=scsi,driver=null-co', 'machine type does not support if=scsi,bus=0,unit=0'],
    ['-M microvm,pcie=on -device virtio-rng-pci,bus=pci.0', "Bus 'pci.0' not found"],
  ])('%s is refused', (line, words) => {
    expect(refused(line)).toContain(words)
    expect(refused(line, '7.2')).toContain(words)
  })

  it.each([
    '-M microvm -nic user',
    '-M microvm -net nic -net user',
    '-M microvm -vga std',
    '-M microvm -cdrom a.iso',
    '-M microvm -device isa-serial',
    '-M microvm -smp 255 -m 8G',
  ])('%s is accepted, as in QEMU: what it does not make is not there', (line) => {
    expect(refused(line)).toBe('')
    expect(parse(line).devices).toEqual([])
  })
})
