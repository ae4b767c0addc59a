import { describe, expect, it } from 'vitest'
import { UNSUPPORTED_REQUEST } from '../src/index.ts'
import { FAULTS } from '../src/virtio-iommu/index.ts'
import { attach, attached, detach, EP, MSI, map, unmap, ViommuGuest } from './viommu-guest.ts'

const READ = 1
const WRITE = 2
const MMIO = 4
const BYPASS = 1

describe('bypass', () => {
  it('§5.13.4 config.bypass lets endpoints pass that are in no domain, also before any driver came', () => {
    const guest = new ViommuGuest({ bootBypass: true })
    guest.unit.reset()
    expect(guest.dma(EP, 0x1234, WRITE)).toBe(0)
    expect([guest.output, guest.out.route, guest.out.log2Size]).toEqual([0x1234, 'bypass', 64])
  })

  it('§5.13.4 the driver may change it; it outlives a reset of the device', () => {
    const guest = new ViommuGuest({ bootBypass: true })
    guest.unit.config.write(36, 1, 0)
    expect(guest.dma(EP, 0, READ)).toBe(FAULTS.unknownEndpoint.value)
    guest.unit.reset()
    expect(guest.unit.config.read(36, 1)).toBe(0)
    expect(guest.dma(EP, 0, READ)).toBe(FAULTS.unknownEndpoint.value)
  })

  it('a write of anything else, or without BYPASS_CONFIG, makes the device need a reset', () => {
    const guest = new ViommuGuest()
    guest.unit.config.write(36, 1, 2)
    expect(guest.broken).toMatch(/0 or 1/)
    const other = new ViommuGuest({}, { lo: 0x37, hi: 1 })
    other.unit.config.write(36, 1, 1)
    expect(other.broken).toMatch(/not negotiated/)
    expect(other.unit.config.read(36, 1)).toBe(0)
  })

  it('F_BYPASS, of older devices: once it is negotiated', () => {
    const guest = new ViommuGuest({ bypass: 'feature' }, { lo: 0x3f, hi: 1 })
    expect(guest.unit.features.lo).toBe(0x3f)
    expect(guest.dma(EP, 0x1234, READ)).toBe(0)
    expect(new ViommuGuest({ bypass: 'feature' }, { lo: 0x37, hi: 1 }).dma(EP, 0, READ)).not.toBe(0)
    guest.unit.reset()
    expect(guest.dma(EP, 0, READ)).not.toBe(0)
  })

  it('none: neither bit is offered', () => {
    expect(new ViommuGuest({ bypass: 'none' }).unit.features.lo).toBe(0x37)
  })

  it('a bypass domain lets its endpoints pass, whatever config.bypass says', () => {
    const guest = new ViommuGuest({ reservedRegions: [MSI] })
    guest.send(attach(1, EP, BYPASS))
    expect(guest.dma(EP, 0xfee0_0004, READ)).toBe(0)
    expect(guest.dma(EP, 2 ** 50, WRITE)).toBe(0)
    expect(guest.output).toBe(2 ** 50)
  })
})

describe('§5.13.6 faults and their events', () => {
  it('an endpoint that nobody named, one in no domain, one without a mapping: reasons 0, 1 and 2', () => {
    const guest = new ViommuGuest({ tellsAccessOfFaults: true })
    for (let left = 0; left < 4; left++) guest.offerEvent()
    guest.dma(0x20, 0x1000, READ)
    guest.send(attach(1, EP))
    guest.send(detach(1, EP))
    guest.dma(EP, 0x2000, WRITE)
    guest.send(attach(1, EP))
    guest.dma(EP, 0x1_0000_3000, READ)
    guest.send(map(1, 0x4000, 0x4fff, 0, READ))
    guest.dma(EP, 0x4010, WRITE)
    const events = guest.events().map((bytes) => Buffer.from(bytes).toString('hex'))
    // reason, reserved; flags: READ 1, WRITE 2, ADDRESS 0x100; endpoint; reserved1; address
    expect(events).toEqual([
      '00000000' + '01010000' + '20000000' + '00000000' + '0010000000000000',
      '01000000' + '02010000' + '18000000' + '00000000' + '0020000000000000',
      '02000000' + '01010000' + '18000000' + '00000000' + '0030000001000000',
      '02000000' + '02010000' + '18000000' + '00000000' + '1040000000000000',
    ])
    expect(guest.interrupts).toContain(1)
    expect(guest.unit.faultsSeen.every(({ recorded }) => recorded)).toBe(true)
  })

  it('QEMU tells the access only where the mapping does not allow it', () => {
    const guest = attached({ tellsAccessOfFaults: false })
    guest.offerEvent()
    guest.offerEvent()
    guest.dma(EP, 0x1000, WRITE)
    guest.send(map(1, 0, 0xfff, 0, WRITE))
    guest.dma(EP, 0, 3)
    expect(guest.events().map((bytes) => new DataView(bytes.buffer).getUint32(4, true))).toEqual([0x100, 0x101])
  })

  it('is not written while the access is under way, but in the turn of the device, which asks for it', () => {
    const guest = attached()
    guest.offerEvent()
    expect(guest.wakes).toBe(0)
    guest.dma(EP, 0x1000, READ)
    expect([guest.wakes, guest.interrupts]).toEqual([1, [0]])
    expect(guest.events()).toHaveLength(1)
    expect(guest.interrupts).toEqual([0, 1])
  })

  it('without a buffer the event is dropped, and no later buffer brings it', () => {
    const guest = attached()
    guest.dma(EP, 0x1000, READ)
    expect(guest.events()).toEqual([])
    guest.offerEvent()
    expect(guest.events()).toEqual([])
    expect(guest.unit.faultsSeen.map(({ recorded }) => recorded)).toEqual([false])
  })

  it('a buffer that holds no event makes the device need a reset', () => {
    const guest = attached()
    guest.offerEvent(20)
    guest.dma(EP, 0x1000, READ)
    expect(guest.events()).toEqual([])
    expect(guest.broken).toMatch(/20 bytes/)
  })

  it('a flood of faults between two turns keeps no more than 256 of them', () => {
    const guest = attached()
    for (let left = 0; left < 256; left++) guest.offerEvent()
    for (let fault = 0; fault < 5000; fault++) guest.dma(EP, fault * 4096, READ)
    expect(guest.events()).toHaveLength(256)
    expect([guest.unit.faultCount, guest.unit.faultsSeen.length]).toEqual([5000, 1024])
  })

  it('a reserved region faults; a doorbell takes writes as they are, and nobody reads it', () => {
    const guest = attached({ reservedRegions: [{ kind: 'reserved', start: 0x8000, end: 0x8fff }, MSI] })
    expect(guest.dma(EP, 0x8ffc, READ)).toBe(FAULTS.reservedRegion.value)
    expect(guest.dma(EP, 0xfee0_1000, WRITE)).toBe(0)
    expect([guest.output, guest.out.route]).toEqual([0xfee0_1000, 'bypass'])
    expect(guest.dma(EP, 0xfee0_1000, READ)).toBe(UNSUPPORTED_REQUEST)
  })

  it('requests with a PASID, and ATS, are unsupported', () => {
    const guest = attached()
    const { unit, out } = guest
    expect(unit.translate(EP, 5, 'untranslated', 0, 0, READ, out)).toBe(UNSUPPORTED_REQUEST)
    expect(unit.translate(EP, -1, 'translation-request', 0, 0, READ, out)).toBe(UNSUPPORTED_REQUEST)
    expect(unit.translate(EP, -1, 'translated', 0, 0, READ, out)).toBe(UNSUPPORTED_REQUEST)
  })
})

describe('interrupt messages', () => {
  const message = { hi: 0, lo: 0, data: 0, remapped: true }

  it('to a doorbell pass as they are, also of an endpoint that was taken out of its domain', () => {
    const guest = attached({ reservedRegions: [MSI] })
    expect(guest.unit.remapInterrupt(EP, 0, 0xfee0_0000, 0x41, message)).toBe(0)
    expect(message).toEqual({ hi: 0, lo: 0xfee0_0000, data: 0x41, remapped: false })
    guest.send(detach(1, EP))
    expect(guest.unit.remapInterrupt(EP, 0, 0xfee0_0000, 0x41, message)).toBe(0)
  })

  it('of an endpoint that nobody named fault like any DMA, unless it may bypass', () => {
    const guest = new ViommuGuest({ reservedRegions: [MSI] })
    expect(guest.unit.remapInterrupt(EP, 0, 0xfee0_0000, 0x41, message)).toBe(FAULTS.unknownEndpoint.value)
    guest.unit.config.write(36, 1, 1)
    expect(guest.unit.remapInterrupt(EP, 0, 0xfee0_0000, 0x41, message)).toBe(0)
  })

  it('to a doorbell that the driver must map go where it is mapped', () => {
    const guest = attached()
    expect(guest.unit.remapInterrupt(EP, 0, 0x800_0040, 7, message)).toBe(FAULTS.notMapped.value)
    guest.send(map(1, 0x800_0000, 0x800_0fff, 0x809_0000, WRITE | MMIO))
    expect(guest.unit.remapInterrupt(EP, 0, 0x800_0040, 7, message)).toBe(0)
    expect(message).toEqual({ hi: 0, lo: 0x809_0040, data: 7, remapped: false })
  })
})

describe('what a translation may be kept for', () => {
  it('epochs: MAP changes none, UNMAP and DETACH change the domain’s', () => {
    const guest = attached()
    guest.send(map(1, 0, 0xfff, 0, READ))
    guest.dma(EP, 0, READ)
    const { tag } = guest.out
    const before = guest.unit.epochs[tag]
    guest.send(map(1, 0x1000, 0x1fff, 0, READ))
    expect(guest.unit.epochs[tag]).toBe(before)
    guest.send(unmap(1, 0x5000, 0x5fff))
    expect(guest.unit.epochs[tag]).toBe(before)
    guest.send(unmap(1, 0, 0xfff))
    expect(guest.unit.epochs[tag]).not.toBe(before)
    const after = guest.unit.epochs[tag]
    guest.send(detach(1, EP))
    expect(guest.unit.epochs[tag]).not.toBe(after)
  })

  it('epochs: what bypassed without a domain ends with ATTACH, and with a change of config.bypass', () => {
    const guest = new ViommuGuest({ bootBypass: true })
    guest.dma(EP, 0, READ)
    const { tag } = guest.out
    const [first] = [guest.unit.epochs[tag]]
    guest.send(attach(1, EP))
    expect(guest.unit.epochs[tag]).not.toBe(first)
    const second = guest.unit.epochs[tag]
    guest.unit.config.write(36, 1, 0)
    expect(guest.unit.epochs[tag]).not.toBe(second)
  })

  it('blocks are as large as mapping, alignment and reserved regions allow', () => {
    const guest = attached({ reservedRegions: [MSI], checksRequests: false })
    guest.send(map(1, 0, 2 ** 39 - 1, 0, 3))
    const sizeAt = (iova: number): number => {
      guest.dma(EP, iova, READ)
      return guest.out.log2Size
    }
    expect([sizeAt(0x1234), sizeAt(0x4000_0000), sizeAt(0xc000_0000), sizeAt(0xfedf_ffff)]).toEqual([30, 30, 21, 21])
    expect(sizeAt(0xfef0_0000)).toBe(12)
    guest.send(attach(2, EP + 1))
    guest.send(map(2, 0x20_0000, 0x7f_ffff, 0x1000, 3))
    guest.dma(EP + 1, 0x20_1000, READ)
    expect([guest.output, guest.out.log2Size]).toEqual([0x2000, 12])
  })

  it('a lax device maps less than a page; such a translation holds for once', () => {
    const guest = attached({ checksRequests: false })
    expect(guest.send(map(1, 0x1100, 0x12ff, 0x5000, READ))).toBe(0)
    expect(guest.dma(EP, 0x1180, READ)).toBe(0)
    expect([guest.output, guest.out.tag]).toEqual([0x5080, -1])
    expect(guest.dma(EP, 0x1080, READ)).toBe(FAULTS.notMapped.value)
  })
})
