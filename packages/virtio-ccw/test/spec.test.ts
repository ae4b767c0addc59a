import {
  CCW_FLAGS,
  CCW1,
  IO_INTERRUPTION,
  IRB,
  ORB,
  ORB_WORD1,
  PMCW,
  PMCW_FLAGS,
  SCHIB,
  SCSW,
  SCSW_CTRL,
  SUBSYSTEM_ID,
  subsystemId,
  virtio_feature_desc,
  virtio_rev_info,
  virtio_thinint_area,
  vq_config_block,
  vq_info_block,
  vq_info_block_legacy,
} from '@dmascope/virtio-ccw/spec'
import { expect, test } from 'vitest'

const offsets = (fields: Readonly<Record<string, { readonly offset: number }>>): Record<string, number> =>
  Object.fromEntries(Object.entries(fields).map(([name, { offset }]) => [name, offset]))

test('blocks of channel I/O have their fields where the Principles of Operation have them', () => {
  expect([CCW1.size, ORB.size, PMCW.size, SCSW.size, SCHIB.size, IRB.size]).toEqual([8, 32, 28, 12, 52, 64])
  expect(offsets(CCW1.fields)).toEqual({ cmd_code: 0, flags: 1, count: 2, cda: 4 })
  expect(offsets(PMCW.fields)).toMatchObject({
    flags: 4,
    dev: 6,
    lpm: 8,
    pim: 11,
    pom: 14,
    pam: 15,
    chpid: 16,
    chars: 24,
  })
  expect(offsets(SCSW.fields)).toEqual({ flags: 0, ctrl: 2, cpa: 4, dstat: 8, cstat: 9, count: 10 })
  expect(offsets(SCHIB.fields)).toEqual({ pmcw: 0, scsw: 28, mba: 40, mda: 48 })
  expect(offsets(IRB.fields)).toEqual({ scsw: 0, esw: 12, ecw: 32 })
  expect(offsets(IO_INTERRUPTION.fields)).toEqual({ subsystem_id: 0, intparm: 4, word: 8 })
})

test('bits, counted from the top there: format of CCWs, enabling, interruption subclass, status', () => {
  expect(ORB_WORD1.fields.F.loMask).toBe(0x0080_0000)
  expect(ORB_WORD1.fields.H.loMask).toBe(0x0002_0000)
  expect(PMCW_FLAGS.fields.E.loMask).toBe(0x0080)
  expect(PMCW_FLAGS.fields.ISC.loMask).toBe(0x3800)
  expect(PMCW_FLAGS.fields.V.loMask).toBe(0x0001)
  expect(CCW_FLAGS.fields.IDA.loMask).toBe(0x04)
  expect(SCSW_CTRL.fields.START.loMask).toBe(0x4000)
  expect(SCSW_CTRL.fields.STATUS_PENDING.loMask).toBe(0x0001)
  expect(subsystemId(3, 0x2a)).toBe(0x0007_002a)
  expect(SUBSYSTEM_ID.fields.SSID.get(0x0007_002a)).toBe(3)
})

test('virtio 1.3 §4.3.2: payloads of commands, big-endian but for feature bits', () => {
  expect(virtio_rev_info.size).toBe(4)
  expect(vq_config_block.size).toBe(4)
  expect(offsets(vq_info_block.fields)).toEqual({ desc: 0, res0: 8, index: 12, num: 14, driver: 16, device: 24 })
  expect(vq_info_block.size).toBe(32)
  expect(offsets(vq_info_block_legacy.fields)).toEqual({ queue: 0, align: 8, index: 12, num: 14 })
  expect(virtio_feature_desc.size).toBe(5)
  expect(offsets(virtio_thinint_area.fields)).toEqual({ summary_indicator: 0, indicator: 8, bit_nr: 16, isc: 24 })
  expect(virtio_thinint_area.size).toBe(25)
  const view = new DataView(new ArrayBuffer(5))
  virtio_feature_desc.fields.features.set(view, 0, 1)
  expect(view.getUint8(0)).toBe(1)
})
