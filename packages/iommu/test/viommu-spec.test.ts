import {
  VIRTIO_ID_IOMMU,
  VIRTIO_IOMMU_ATTACH_FLAGS,
  VIRTIO_IOMMU_EVENTQ,
  VIRTIO_IOMMU_FAULT_FLAGS,
  VIRTIO_IOMMU_FAULT_R_DOMAIN,
  VIRTIO_IOMMU_FAULT_R_MAPPING,
  VIRTIO_IOMMU_FAULT_R_UNKNOWN,
  VIRTIO_IOMMU_FEATURES,
  VIRTIO_IOMMU_MAP_FLAGS,
  VIRTIO_IOMMU_PROBE_T_NONE,
  VIRTIO_IOMMU_PROBE_TYPE,
  VIRTIO_IOMMU_REQUESTQ,
  VIRTIO_IOMMU_S_DEVERR,
  VIRTIO_IOMMU_S_FAULT,
  VIRTIO_IOMMU_S_INVAL,
  VIRTIO_IOMMU_S_IOERR,
  VIRTIO_IOMMU_S_NOENT,
  VIRTIO_IOMMU_S_NOMEM,
  VIRTIO_IOMMU_S_OK,
  VIRTIO_IOMMU_S_RANGE,
  VIRTIO_IOMMU_S_UNSUPP,
  virtio_iommu_config,
  virtio_iommu_fault,
  virtio_iommu_probe_resv_mem,
  virtio_iommu_range_32,
  virtio_iommu_range_64,
  virtio_iommu_req_attach,
  virtio_iommu_req_detach,
  virtio_iommu_req_map,
  virtio_iommu_req_probe,
  virtio_iommu_req_tail,
  virtio_iommu_req_unmap,
} from '@dmascope/iommu/virtio-iommu/spec'
import { describe, expect, it } from 'vitest'

interface Shape {
  readonly size: number
  readonly fields: Readonly<Record<string, { readonly offset: number }>>
}

/** Offsets by name, and the size. */
const offsets = ({ size, fields }: Shape): Record<string, number> => ({
  ...Object.fromEntries(Object.entries(fields).map(([name, { offset }]) => [name, offset])),
  size,
})

const bitsOf = (fields: Readonly<Record<string, { readonly low: number }>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, { low }]) => [name.replace(/^VIRTIO_IOMMU_(\w+_)?F_/, ''), low]),
  )

describe('virtio 1.3 §5.13', () => {
  it('is device type 23 with a request queue and an event queue', () => {
    expect([VIRTIO_ID_IOMMU, VIRTIO_IOMMU_REQUESTQ, VIRTIO_IOMMU_EVENTQ]).toEqual([23, 0, 1])
  })

  it('has seven feature bits', () => {
    expect(bitsOf(VIRTIO_IOMMU_FEATURES.fields)).toEqual({
      INPUT_RANGE: 0,
      DOMAIN_RANGE: 1,
      MAP_UNMAP: 2,
      BYPASS: 3,
      PROBE: 4,
      MMIO: 5,
      BYPASS_CONFIG: 6,
    })
  })

  it('lays its configuration out in 40 bytes', () => {
    const expected = { page_size_mask: 0, input_range: 8, domain_range: 24, probe_size: 32, bypass: 36, reserved: 37 }
    expect(offsets(virtio_iommu_config)).toEqual({ ...expected, size: 40 })
    expect([offsets(virtio_iommu_range_64), offsets(virtio_iommu_range_32)]).toEqual([
      { start: 0, end: 8, size: 16 },
      { start: 0, end: 4, size: 8 },
    ])
  })

  it('lays requests out', () => {
    expect(offsets(virtio_iommu_req_attach)).toEqual({
      head: 0,
      domain: 4,
      endpoint: 8,
      flags: 12,
      reserved: 16,
      size: 20,
    })
    expect(offsets(virtio_iommu_req_detach)).toEqual({ head: 0, domain: 4, endpoint: 8, reserved: 12, size: 20 })
    const range = { head: 0, domain: 4, virt_start: 8, virt_end: 16 }
    expect(offsets(virtio_iommu_req_map)).toEqual({ ...range, phys_start: 24, flags: 32, size: 36 })
    expect(offsets(virtio_iommu_req_unmap)).toEqual({ ...range, reserved: 24, size: 28 })
    expect(offsets(virtio_iommu_req_probe)).toEqual({ head: 0, endpoint: 4, reserved: 8, size: 72 })
    expect(offsets(virtio_iommu_req_tail)).toEqual({ status: 0, reserved: 1, size: 4 })
  })

  it('lays properties and faults out', () => {
    expect(offsets(virtio_iommu_probe_resv_mem)).toEqual({
      head: 0,
      subtype: 4,
      reserved: 5,
      start: 8,
      end: 16,
      size: 24,
    })
    const fault = { reason: 0, reserved: 1, flags: 4, endpoint: 8, reserved1: 12, address: 16, size: 24 }
    expect(offsets(virtio_iommu_fault)).toEqual(fault)
    expect(VIRTIO_IOMMU_PROBE_TYPE.fields.type.loMask).toBe(0x0fff)
    expect(VIRTIO_IOMMU_PROBE_T_NONE).toBe(0)
  })

  it('numbers flags, reasons and statuses', () => {
    expect(bitsOf(VIRTIO_IOMMU_ATTACH_FLAGS.fields)).toEqual({ BYPASS: 0 })
    expect(bitsOf(VIRTIO_IOMMU_MAP_FLAGS.fields)).toEqual({ READ: 0, WRITE: 1, MMIO: 2 })
    expect(bitsOf(VIRTIO_IOMMU_FAULT_FLAGS.fields)).toEqual({ READ: 0, WRITE: 1, ADDRESS: 8 })
    const reasons = [VIRTIO_IOMMU_FAULT_R_UNKNOWN, VIRTIO_IOMMU_FAULT_R_DOMAIN, VIRTIO_IOMMU_FAULT_R_MAPPING]
    expect(reasons).toEqual([0, 1, 2])
    expect([
      VIRTIO_IOMMU_S_OK,
      VIRTIO_IOMMU_S_IOERR,
      VIRTIO_IOMMU_S_UNSUPP,
      VIRTIO_IOMMU_S_DEVERR,
      VIRTIO_IOMMU_S_INVAL,
      VIRTIO_IOMMU_S_RANGE,
      VIRTIO_IOMMU_S_NOENT,
      VIRTIO_IOMMU_S_FAULT,
      VIRTIO_IOMMU_S_NOMEM,
    ]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })
})
