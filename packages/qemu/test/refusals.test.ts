import type { QemuVersion } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'
import { refusalOf, words } from './parse-line.ts'

describe('what QEMU refuses, in its words or like them', () => {
  it.each([
    ['-foo', 'QEMU_UNKNOWN_OPTION argument 1 (-foo): invalid option'],
    ['-devise edu', "QEMU_UNKNOWN_OPTION argument 1 (-devise): invalid option; did you mean 'device'?"],
    ['-M q35 -device pci-bridge-seat', 'Bridge chassis not specified. Each bridge is required to be assigned'],
    ['-M q35 -device', 'QEMU_MISSING_ARGUMENT argument 3 (-device): requires an argument'],
    ['-M q53', "QEMU_MACHINE argument 1 (-M q53): unsupported machine type 'q53'; did you mean 'q35'?"],
    [
      '-M isapc',
      "QEMU_MACHINE argument 1 (-M isapc): machine 'isapc' is not modelled; modelled are q35, pc and microvm",
    ],
    ['-M pc-q35-4.2', "QEMU_MACHINE argument 1 (-M pc-q35-4.2): unsupported machine type 'pc-q35-4.2'"],
    ['-M q35,kernel_irqchips=split', "Property 'kernel_irqchips' not found; did you mean 'kernel-irqchip'?"],
    [
      '-M q35,kernel-irqchip=maybe',
      "machine property 'kernel-irqchip' does not accept 'maybe'; it takes 'on', 'off', 'split'",
    ],
    ['-M q35,split', "QEMU_SYNTAX argument 1 (-M q35,split): Expected '=' after parameter 'split'"],
    ['-M q35,iommu=on', "Property 'iommu' not found; write -device intel-iommu instead"],
    ['-M q35 -device virtio-blk', 'QEMU_MISSING_PROPERTY argument 3 (-device virtio-blk): drive property not set'],
    ['-M q35 -device virtio-blk,drive=d', "Property 'virtio-blk-pci.drive' can't find value 'd'"],
    ['-device e1000,netdev=n0 -netdev user,id=n1', "Property 'e1000.netdev' can't find value 'n0'; did you mean 'n1'?"],
    ['-device virtio-rng-pci,rng=r', "argument 1 (-device virtio-rng-pci,rng=r): Device 'r' not found"],
    ['-device virtio-blk-pcii', "'virtio-blk-pcii' is not a valid device model name; did you mean 'virtio-blk-pci'?"],
    ['-device edu,iommu_platform=on', "property 'edu.iommu_platform' not found"],
    ['-device virtio-rng-pci,packed=2', "property 'virtio-rng-pci.packed' does not accept '2'; it takes 'on' or 'off'"],
    ['-device edu,addr=20', "Property 'edu.addr' doesn't take value '20'"],
    ['-device edu,id=1a', "QEMU_ID argument 1 (-device edu,id=1a): Parameter 'id' expects an identifier, got '1a'"],
    [
      '-device edu,id=a -device edu,id=a',
      "QEMU_DUPLICATE_ID argument 3 (-device edu,id=a): Duplicate ID 'a' for device",
    ],
    ['-netdev user,id=n -netdev user,id=n', "Duplicate ID 'n' for netdev"],
    ['-netdev user', "Parameter 'id' is missing"],
    ['-netdev usr,id=n', "Parameter 'type' does not accept value 'usr'; did you mean 'user'?"],
    ['-netdev user,id=n,hostfwdd=x', "Invalid parameter 'hostfwdd'; did you mean 'hostfwd'?"],
    ['-netdev vhost-user,id=n,chardev=c', 'chardev "c" not found'],
    ['-object rng-randm,id=r', "does not accept value 'rng-randm'; did you mean 'rng-random'?"],
    ['-object rng-random', "Parameter 'id' is missing"],
    ['-drive file=x,if=none,id=d,formt=raw', "-drive does not support the option 'formt'; did you mean 'format'?"],
    ['-drive if=scsi,file=x', 'machine type does not support if=scsi,bus=0,unit=0'],
    ['-hda a -hda b', 'drive with index=0 exists; it stands first at argument 1 (-hda a)'],
    ['-blockdev driver=raw,file=f,node-name=n', "node-name='f'"],
    ['-blockdev driver=rwa,node-name=n', "Unknown driver 'rwa'; did you mean 'raw'?"],
    ['-m 12Q', "Parameter 'size' expects a size"],
    ['-m 2G -object memory-backend-ram,id=m,size=1G -M pc,memory-backend=m', 'Machine memory size does not match'],
    ['-smp 300 -M pc', "Invalid SMP CPUs 300. The max CPUs supported by machine 'pc' is 255"],
    ['-smp corse=2', "Invalid parameter 'corse'; did you mean 'cores'?"],
    ['-vga nice', 'unknown vga type: nice'],
    ['-accel kvmm', "invalid accelerator kvmm; did you mean 'kvm'?"],
    ['-global virtio-blk-pcc.ats=on', "has invalid class name; did you mean 'virtio-blk-pci'?"],
    ['-global virtio-blk-pci.atss=on', "Property 'virtio-blk-pci.atss' not found; did you mean 'ats'?"],
    ['-M pc -device intel-iommu', "Parameter 'driver' expects a dynamic sysbus device type for the machine"],
    ['-M q35 -device intel-iommu,bus=pcie.0', "Device 'intel-iommu' can't go on a PCI bus"],
    ['-device usb-kbd', "No 'usb-bus' bus found for device 'usb-kbd'"],
    ['-drive if=none,id=d,file=x -device scsi-hd,drive=d', "No 'SCSI' bus found for device 'scsi-hd'"],
    ['-usb -device usb-kbd,bus=nope.0', "Bus 'nope.0' not found"],
    ['-device vfio-pci', 'No provided host device'],
    ['-device nvme', 'serial property not set'],
    ['-M q35 -device pcie-root-port -device pcie-root-port', "Can't add chassis slot, error -16"],
    ['-acpitable file=x', 'QEMU_OPTION_REFUSED argument 1 (-acpitable): adds ACPI tables of your own'],
    ['-version', 'QEMU_OPTION_REFUSED argument 1 (-version): prints something and exits'],
    ['qemu-system-riscv64 -M virt', 'QEMU_ARCHITECTURE qemu-system-riscv64: machines of riscv64 are not modelled yet'],
  ])('%s', (line, message) => {
    expect(refusalOf(words(line))).toContain(message)
  })

  it('a backend that two devices take', () => {
    const disk = '-drive if=none,id=d,file=x'
    expect(refusalOf(words(`${disk} -device virtio-blk,drive=d -device virtio-blk,drive=d`))).toContain(
      "Drive 'd' is already in use by another device",
    )
    expect(refusalOf(words('-drive id=d,file=x -device virtio-blk,drive=d'))).toContain(
      'automatically connected to another device; write if=none',
    )
    const net = '-netdev user,id=n -device e1000,netdev=n'
    expect(refusalOf(words(`${net} -device e1000,netdev=n`))).toContain("can't take value 'n', it's in use")
    const node = '-blockdev null-co,node-name=d'
    const twice = (share: string) => `${node} -device virtio-blk,drive=d${share} -device virtio-blk,drive=d${share}`
    expect(refusalOf(words(twice('')))).toContain('write share-rw=on at both')
    expect(refusalOf(words(twice(',share-rw=on')))).toBe('nothing thrown')
  })

  it('what only another release has', () => {
    expect(refusalOf(words('-M q35 -device igb'), '7.2')).toContain("QEMU 7.2 has no device 'igb'; QEMU 11.1 has")
    expect(refusalOf(words('-M q35 -device intel-iommu,fsts=on'), '7.2')).toContain('not found in QEMU 7.2')
    expect(refusalOf(words('-M pc-q35-11.1'), '7.2')).toContain('QEMU_MACHINE')
    expect(refusalOf(words('-M q35,fd-bootchk=off'), '7.2')).toContain("'fd-bootchk' not found in QEMU 7.2")
    expect(refusalOf(words('-M q35,fd-bootchk=off,wdat=on'), '11.1')).toBe('nothing thrown')
    expect(refusalOf(words('-M pc,wdat=on'), '11.1')).toContain("Property 'wdat' not found")
    expect(refusalOf(words('-M q35,x-south-bridge=piix4-isa'), '11.1')).toContain("Property 'x-south-bridge' not found")
    // 11.1 has no machine types left that would need these.
    for (const gone of [
      'pcie-root-port,disable-acs=on',
      'virtio-rng-pci,x-disable-pcie=on',
      'e1000e,x-pcie-extcap-init=off',
    ]) {
      expect(refusalOf(words(`-M q35 -device ${gone}`), '7.2')).toBe('nothing thrown')
      expect(refusalOf(words(`-M q35 -device ${gone}`), '11.1')).toContain('not found in QEMU 11.1; QEMU 7.2 has it')
    }
  })

  it('malformed JSON', () => {
    expect(refusalOf(['-device', '{"driver":'])).toContain('QEMU_SYNTAX argument 1 (-device {"driver":): invalid JSON')
    expect(refusalOf(['-device', '{"driver":"edu","dma_mask":{"a":1}}'])).toContain("'edu.dma_mask.a' not found")
  })

  it('a QEMU release that is not modelled is the caller’s mistake', () => {
    expect(() => parseQemuCommandLine([], { qemuVersion: '8.0' as QemuVersion })).toThrow(RangeError)
  })
})
