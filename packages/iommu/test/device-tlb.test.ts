import { describe, expect, it } from 'vitest'
import { REG, VtdGuest } from './vtd-guest.ts'

const A = 0x0018
const B = 0x0020
const READ = 1
const STATUS = 0x8000

type Descriptor = readonly [number, number, number, number]
const wait = (value: number): Descriptor => [0x25, value, STATUS, 0]

describe('device-TLB invalidation', () => {
  const deviceTlb = (sid: number, address: number, sized: number): Descriptor => [3, sid, address | sized, 0]

  it('reaches the device with its range', () => {
    const seen: unknown[] = []
    const guest = new VtdGuest({
      deviceIotlb: true,
      onDeviceTlbInvalidate: (...range) => {
        seen.push(range)
        return 'done'
      },
    })
    guest.enableQueue()
    guest.submit(deviceTlb(A, 0x4_0000, 0), deviceTlb(A, 0x4_0000, 1), deviceTlb(B, 0x4_3000, 1), [
      3,
      B,
      0xffff_f001,
      0x7fff_ffff,
    ])
    expect(seen).toEqual([
      [A, 0, 0x4_0000, 12],
      [A, 0, 0x4_0000, 13],
      [B, 0, 0x4_3000, 15],
      [B, 0x7fff_ffff, 0xffff_f000, 64],
    ])
  })

  it('a device that does not answer: ITE, and the wait is aborted', () => {
    let answer: 'done' | 'timeout' = 'timeout'
    const guest = new VtdGuest({ deviceIotlb: true, onDeviceTlbInvalidate: () => answer })
    guest.enableQueue()
    guest.submit(deviceTlb(A, 0, 0), wait(5), wait(6))
    expect(guest.read(REG.FSTS)).toBe(0x40)
    expect(guest.ram.read32(STATUS)).toBe(0)
    expect(guest.read(REG.IQH)).toBe(32)
    expect(guest.read(REG.IQERCD + 4) >>> 16).toBe(A)
    answer = 'done'
    guest.write(REG.FSTS, 0x40)
    expect(guest.ram.read32(STATUS)).toBe(6)
    expect(guest.read(REG.IQH)).toBe(48)
  })

  it('a device that answers wrongly: ICE, and the queue goes on', () => {
    const guest = new VtdGuest({ deviceIotlb: true, onDeviceTlbInvalidate: () => 'invalid' })
    guest.enableQueue()
    guest.submit(deviceTlb(B, 0, 0), wait(5))
    expect(guest.read(REG.FSTS)).toBe(0x20)
    expect(guest.read(REG.IQERCD + 4) & 0xffff).toBe(B)
    expect(guest.ram.read32(STATUS)).toBe(5)
  })
})

describe('ATS', () => {
  it.each([
    ['translated', 'second-stage only', 0, 0x0d],
    ['translated', 'device-TLB', 4, 0],
    ['translation-request', 'second-stage only', 0, 0x0d],
    ['translation-request', 'device-TLB', 4, 0],
  ] as const)('a %s request under a context of %s', (kind, _type, bits, reason) => {
    const guest = new VtdGuest({ deviceIotlb: true })
    const top = guest.page()
    guest.context(A, top | 1 | bits, 2 | (7 << 8))
    guest.map(top, 0x4_0000, 0x80_0000, 1)
    guest.enable()
    expect(guest.dma(A, 0x4_0010, READ, kind)).toBe(reason)
    if (reason === 0) expect(guest.output).toBe(kind === 'translated' ? 0x4_0010 : 0x80_0010)
  })

  it('a translation request for what is not mapped is answered without rights, and without a fault', () => {
    const guest = new VtdGuest({ deviceIotlb: true })
    const top = guest.page()
    guest.context(A, top | 5, 2 | (7 << 8))
    guest.map(top, 0x4_0000, 0x80_0000, 1)
    guest.enable()
    expect(guest.dma(A, 0x9_0000, READ, 'translation-request')).toBe(0)
    expect(guest.out.rights).toBe(0)
    expect(guest.dma(A, 0x4_0000, 2, 'translation-request')).toBe(0)
    expect(guest.out.rights).toBe(1)
    expect(guest.unit.faultCount).toBe(0)
  })

  it('requests with a PASID, and ATS with translation off, are Unsupported Requests', () => {
    const guest = new VtdGuest({ deviceIotlb: true })
    expect(guest.dma(A, 0x4_0000, READ, 'translated')).toBe(0x100)
    expect(guest.unit.translate(A, 5, 'untranslated', 0, 0x4_0000, READ, guest.out)).toBe(0x100)
    expect(guest.unit.faultsSeen.map(({ text }) => text)).toEqual([
      'translated request with translation off',
      'request with a PASID',
    ])
    expect(guest.read(REG.FSTS)).toBe(0)
  })
})
