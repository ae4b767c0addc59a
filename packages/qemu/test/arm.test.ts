import { createMachine, type QemuVersion } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'
import { parseLine, refusalOfMachine } from './parse-line.ts'

const MiB = 2 ** 20

const parse = (line: string, qemuVersion?: QemuVersion) => parseLine(`qemu-system-aarch64 ${line}`, qemuVersion)
const refused = (line: string, qemuVersion?: QemuVersion) =>
  refusalOfMachine(`qemu-system-aarch64 ${line}`, qemuVersion)

describe('qemu-system-aarch64', () => {
  it('has no default machine', () => {
    expect(refused('-m 1G')).toMatch(
      /^QEMU_MACHINE: .*No machine specified, and there is no default; write -machine virt$/,
    )
  })

  it('makes virt, with 128 MiB and its own properties', () => {
    expect(
      parse('-M virt,gic-version=3,its=off,iommu=smmuv3,highmem=off,default_bus_bypass_iommu=on -cpu cortex-a72'),
    ).toMatchObject({
      machine: 'virt',
      memory: 128 * MiB,
      cpu: 'cortex-a72',
      machineProperties: {
        'gic-version': '3',
        its: false,
        iommu: 'smmuv3',
        highmem: false,
        default_bus_bypass_iommu: true,
      },
    })
    expect(parse('-M virt-7.2').machineProperties).toEqual({ type: 'virt-7.2' })
    expect(parse('-M virt,dtb-randomness=off,mte=on,ras=on').machineProperties).toEqual({
      'dtb-randomness': false,
      mte: true,
    })
  })

  it('makes a drive that says nothing, and a CD, virtio disks; and cards virtio cards', () => {
    const { devices, ignored } = parse('-M virt -drive file=a.img -cdrom b.iso -nic user -vga std')
    expect(devices).toMatchObject([
      { model: 'virtio-net-pci' },
      { model: 'virtio-blk-pci', backend: { readOnly: false } },
      { model: 'virtio-blk-pci', backend: { readOnly: true } },
    ])
    expect(ignored).toContain('-vga std')
  })

  it('tells firmware from a kernel that QEMU starts', () => {
    expect(parse('-M virt -kernel Image').machineProperties.firmware).toBeUndefined()
    for (const line of [
      '-M virt -bios QEMU_EFI.fd',
      '-M virt -pflash QEMU_EFI.fd',
      '-M virt -drive if=pflash,unit=0,file=QEMU_EFI.fd,readonly=on -drive if=pflash,unit=1,file=vars.fd',
      '-M virt,firmware=QEMU_EFI.fd',
      '-M virt,pflash0=QEMU_EFI.fd',
    ]) {
      expect(parse(line).machineProperties.firmware).toBe('QEMU_EFI.fd')
    }
  })

  it.each([
    ['-M virt -bios a.fd -pflash b.fd', /^QEMU_BACKEND: .*not with both$/],
    ['-M raspi3b', /^QEMU_MACHINE: .*'raspi3b' is not modelled; modelled are virt$/],
    ['-M q35', /^QEMU_MACHINE: .*unsupported machine type 'q35'/],
    ['-M virt-2.5', /^QEMU_MACHINE: .*unsupported machine type 'virt-2.5'/],
    ['-M virt,ic-mode=xive', /^QEMU_MACHINE_PROPERTY: .*Property 'ic-mode' not found/],
    ['-M virt,iommu=intel', /^MACHINE_PROPERTY_VALUE: .*'iommu' does not accept 'intel'/],
    ['-M virt -device intel-iommu', /^QEMU_BUS: .*not a valid device model name of qemu-system-aarch64/],
    ['-M virt -drive if=ide,file=a.img', /^QEMU_BACKEND: .*does not support if=ide/],
    ['-M virt -cpu pentium3', /MACHINE_.*pentium3/],
    [
      '-M virt,gic-version=2 -cpu max -smp 9',
      /^MACHINE_REFUSED: .*\(9\) exceeds max CPUs supported by machine 'mach-virt' \(8\)$/,
    ],
    ['-M virt,gic-version=host -cpu max', /^MACHINE_REFUSED: .*requires KVM/],
    ['-M virt,gic-version=3 -cpu max -smp 124', /^MACHINE_NOT_MODELLED: .*124 processors/],
    [
      '-M virt,highmem=off -cpu max -m 4G',
      /^MACHINE_REFUSED: Addressing limited to 32 bits, but memory exceeds it by 1073741824 bytes$/,
    ],
    ['-M virt,secure=on -cpu max -bios QEMU_EFI.fd', /^MACHINE_NOT_MODELLED: secure=on with firmware/],
    ['-M virt -m 1000K -cpu max', /^MACHINE_MEMORY/],
  ])('refuses %s', (line, message) => {
    expect(refused(line)).toMatch(message)
  })

  it('keeps properties of other machines apart', () => {
    const pc = (word: string): string => {
      try {
        parseQemuCommandLine(['-M', `q35,${word}`], { qemuVersion: '11.1' })
      } catch (error) {
        return (error as Error).message
      }
      return 'accepted'
    }
    expect(pc('gic-version=3')).toMatch(/Property 'gic-version' not found/)
    expect(pc('iommu=smmuv3')).toMatch(/Property 'iommu' not found; write -device intel-iommu/)
    expect(refused('-M virt,msi=its -cpu max', '7.2')).toMatch(
      /Property 'virt-7.2-machine.msi' not found; QEMU 7.2 has its=/,
    )
  })

  it('takes what -global says of the transports of the board', () => {
    expect(parse('-M virt -global virtio-mmio.force-legacy=false').virtioTransports).toEqual({ 'force-legacy': false })
    expect(parse('-M virt').virtioTransports).toBeUndefined()
  })

  it('puts a virtio-bus device on a transport of the board, and no transport of its own', () => {
    expect(refused('-M virt -cpu max -device virtio-rng-device')).toBe('accepted')
    expect(refused('-M virt -cpu max -device virtio-mmio')).toMatch(/virtio-mmio/)
    const q35 = (): unknown =>
      createMachine(parseQemuCommandLine(['-M', 'q35', '-device', 'virtio-rng-device'], { qemuVersion: '11.1' }))
    expect(q35).toThrow(/No 'virtio-bus' bus found for device 'virtio-rng-device'/)
  })
})
