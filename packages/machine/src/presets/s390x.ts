import type { Preset } from './preset.ts'

export const S390X: readonly Preset[] = [
  {
    name: 's390x',
    summary: 'an s390x guest: virtio devices on channels, which no IOMMU stands in front of',
    content: {
      machine: 's390-ccw-virtio',
      qemuVersion: '11.1',
      memory: '512M',
      devices: [
        { model: 'virtio-blk-ccw', id: 'blk0', devno: 'fe.0.0001' },
        { model: 'virtio-blk-ccw', id: 'blk1', devno: 'fe.0.0002', iommu_platform: true },
        { model: 'virtio-net-ccw', id: 'net0', devno: 'fe.0.0003', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-ccw', id: 'rng0', devno: 'fe.0.0004' },
      ],
    },
  },
  {
    name: 's390x-pv',
    summary: 'a protected guest of s390x: devices and channels reach the pages that it shares',
    content: {
      machine: 's390-ccw-virtio',
      qemuVersion: '11.1',
      memory: '512M',
      machineProperties: { confidential: 'pv' },
      devices: [
        { model: 'virtio-blk-ccw', id: 'blk0', devno: 'fe.0.0001' },
        { model: 'virtio-blk-ccw', id: 'blk1', devno: 'fe.0.0002', iommu_platform: false },
        { model: 'virtio-net-ccw', id: 'net0', devno: 'fe.0.0003', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-ccw', id: 'rng0', devno: 'fe.0.0004' },
      ],
    },
  },
]
