/** What was recorded of a device of a real machine: Linux on QEMU, both as they are. */
export interface RecordedDevice {
  readonly id: string
  readonly driver: string
  /** VIRTIO_F_ACCESS_PLATFORM is among the features that Linux negotiated. */
  readonly accessPlatform: boolean
  /** The default domain of its IOMMU group, in Linux's words, small; `none`: it is in no group. */
  readonly domain: string
  /** What QEMU's own trace of its IOMMU saw of the device's data: null where nothing was traced. */
  readonly dma: 'translated' | 'direct' | null
  /** Data went both ways, and was right. */
  readonly works: boolean
}

/** One boot of a real machine. */
export interface RecordedBoot {
  readonly name: string
  readonly qemu: string
  readonly kernel: string
  /** QEMU's arguments, but for what stands behind the devices. */
  readonly machine: string
  /** Words on the kernel's command line. */
  readonly append: string
  readonly devices: readonly RecordedDevice[]
}

const device = (
  id: string,
  driver: string,
  accessPlatform: boolean,
  domain: string,
  dma: RecordedDevice['dma'],
  works: boolean,
): RecordedDevice => ({ id, driver, accessPlatform, domain, dma, works })

/**
 * Boots of Debian's kernels on Debian's QEMU, under TCG: virtio devices, some with `iommu_platform=on`, as sysfs, the
 * kernel's own I/O and QEMU's trace events told of them.
 */
export const RECORDED_BOOTS: readonly RecordedBoot[] = [
  {
    name: 'x86-no-iommu',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35 -device virtio-blk-pci,id=blk0 -device virtio-net-pci,id=net0 -device virtio-rng-pci,id=rng0',
    append: '',
    devices: [
      device('0000:00:01.0', 'virtio_blk', false, 'none', 'direct', true),
      device('0000:00:02.0', 'virtio_net', false, 'none', 'direct', true),
      device('0000:00:03.0', 'virtio_rng', false, 'none', 'direct', true),
    ],
  },
  {
    name: 'vtd-on-older',
    qemu: '7.2.22',
    kernel: '6.1.0-50-amd64',
    machine:
      '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: 'intel_iommu=on',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma-fq', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma-fq', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma-fq', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma-fq', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma-fq', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma-fq', 'direct', true),
    ],
  },
  {
    name: 'vtd-on',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: 'intel_iommu=on',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma-fq', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma-fq', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma-fq', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma-fq', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma-fq', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma-fq', 'direct', true),
    ],
  },
  {
    name: 'vtd-off',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: 'intel_iommu=off',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'none', 'direct', true),
      device('0000:00:03.0', 'virtio_blk', false, 'none', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'none', 'direct', true),
      device('0000:00:05.0', 'virtio_rng', false, 'none', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'none', 'direct', true),
      device('0000:00:09.0', 'virtio_net', false, 'none', 'direct', true),
    ],
  },
  {
    name: 'vtd-passthrough',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: 'intel_iommu=on iommu=pt',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'identity', 'direct', true),
      device('0000:00:03.0', 'virtio_blk', false, 'identity', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'identity', 'direct', true),
      device('0000:00:05.0', 'virtio_rng', false, 'identity', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'identity', 'direct', true),
      device('0000:00:09.0', 'virtio_net', false, 'identity', 'direct', true),
    ],
  },
  {
    name: 'vtd-strict',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: 'intel_iommu=on iommu.strict=1',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma', 'direct', true),
    ],
  },
  {
    name: 'x86-virtio-iommu',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35 -device virtio-iommu-pci,id=viommu,addr=0x1 -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: '',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma-fq', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma-fq', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma-fq', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma-fq', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma-fq', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma-fq', 'direct', true),
    ],
  },
  {
    name: 'amd-without-dma-remap',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35,kernel-irqchip=split -device amd-iommu,intremap=on -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: 'amd_iommu=on',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma', 'direct', false),
      device('0000:00:04.0', 'virtio_net', true, 'dma', 'direct', false),
      device('0000:00:05.0', 'virtio_rng', false, 'dma', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma', 'direct', false),
      device('0000:00:09.0', 'virtio_net', false, 'dma', 'direct', false),
    ],
  },
  {
    name: 'amd-dma-remap',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-amd64',
    machine:
      '-machine q35,kernel-irqchip=split -device amd-iommu,intremap=on,dma-remap=on -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6 -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off',
    append: 'amd_iommu=on',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma', 'direct', true),
    ],
  },
  {
    name: 'arm-no-iommu',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-arm64',
    machine:
      '-machine virt,gic-version=3 -cpu cortex-a57 -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on,romfile= -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6,romfile= -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off,romfile=',
    append: '',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'none', 'direct', true),
      device('0000:00:03.0', 'virtio_blk', false, 'none', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'none', 'direct', true),
      device('0000:00:05.0', 'virtio_rng', false, 'none', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'none', 'direct', true),
      device('0000:00:09.0', 'virtio_net', false, 'none', 'direct', true),
    ],
  },
  {
    name: 'arm-smmuv3',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-arm64',
    machine:
      '-machine virt,gic-version=3,iommu=smmuv3 -cpu cortex-a57 -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on,romfile= -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6,romfile= -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off,romfile=',
    append: '',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma', 'direct', true),
    ],
  },
  {
    name: 'arm-virtio-iommu',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-arm64',
    machine:
      '-machine virt,gic-version=3 -cpu cortex-a57 -device virtio-iommu-pci,addr=0x1 -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on,romfile= -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6,romfile= -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off,romfile=',
    append: '',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma', 'direct', true),
    ],
  },
  {
    name: 'arm-smmuv3-acpi',
    qemu: '7.2.22',
    kernel: '6.12.107+deb13-arm64',
    machine:
      '-machine virt,gic-version=3,iommu=smmuv3 -cpu cortex-a57 -bios QEMU_EFI.fd -device virtio-blk-pci,id=blk0,addr=0x2,disable-legacy=on,iommu_platform=on -device virtio-blk-pci,id=blk1,addr=0x3,iommu_platform=off -device virtio-net-pci,id=net0,addr=0x4,disable-legacy=on,iommu_platform=on,romfile= -device virtio-rng-pci,id=rng0,addr=0x5,iommu_platform=off -device e1000e,id=net1,addr=0x6,romfile= -device nvme,id=nvme2,addr=0x7 -device virtio-rng-pci,id=rng1,addr=0x8,disable-legacy=on,iommu_platform=on -device virtio-net-pci,id=net2,addr=0x9,iommu_platform=off,romfile=',
    append: '',
    devices: [
      device('0000:00:02.0', 'virtio_blk', true, 'dma', 'translated', true),
      device('0000:00:03.0', 'virtio_blk', false, 'dma', 'direct', true),
      device('0000:00:04.0', 'virtio_net', true, 'dma', 'translated', true),
      device('0000:00:05.0', 'virtio_rng', false, 'dma', 'direct', true),
      device('0000:00:08.0', 'virtio_rng', true, 'dma', 'translated', true),
      device('0000:00:09.0', 'virtio_net', false, 'dma', 'direct', true),
    ],
  },
  {
    name: 'pseries',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-powerpc64le',
    machine:
      '-machine pseries -cpu power9 -device virtio-blk-pci,id=blk0,addr=0x2 -device virtio-net-pci,id=net0,addr=0x3 -device virtio-rng-pci,id=rng0,addr=0x4',
    append: '',
    devices: [
      device('0000:00:02.0', 'virtio_blk', false, 'unknown', 'direct', true),
      device('0000:00:03.0', 'virtio_net', false, 'unknown', 'direct', true),
      device('0000:00:04.0', 'virtio_rng', false, 'unknown', 'direct', true),
    ],
  },
  {
    name: 'arm-mmio-beside-smmuv3',
    qemu: '11.1.3',
    kernel: '6.12.107+deb13-arm64',
    machine:
      '-machine virt,gic-version=3,iommu=smmuv3 -cpu max -global virtio-mmio.force-legacy=false -device virtio-blk-device,iommu_platform=on -device virtio-blk-device -device virtio-net-device,iommu_platform=on -device virtio-rng-device,bus=virtio-mmio-bus.3 -device virtio-blk-pci,disable-legacy=on,iommu_platform=on',
    append: '',
    devices: [
      device('0000:00:01.0', 'virtio_blk', true, 'dma', null, true),
      device('a000600.virtio_mmio', 'virtio_rng', false, 'none', null, true),
      device('a003a00.virtio_mmio', 'virtio_net', true, 'none', null, true),
      device('a003c00.virtio_mmio', 'virtio_blk', false, 'none', null, true),
      device('a003e00.virtio_mmio', 'virtio_blk', true, 'none', null, true),
    ],
  },
]
