import { describe, expect, it } from 'vitest'
import { UNSUPPORTED_REQUEST } from '../src/index.ts'
import { FAULTS, virtioIommuOptionsFor } from '../src/virtio-iommu/index.ts'
import { ALL_FEATURES, attach, detach, map, probe, unmap, ViommuGuest } from './viommu-guest.ts'

const OK = 0
const UNSUPP = 2
const INVAL = 4
const RANGE = 5
const NOENT = 6
const NOMEM = 8
const READ = 1
const WRITE = 2
const MMIO = 4
const BYPASS = 1
const EP = 0x18

const MSI = { kind: 'msi', start: 0xfee0_0000, end: 0xfeef_ffff } as const

const attached = (...args: ConstructorParameters<typeof ViommuGuest>): ViommuGuest => {
  const guest = new ViommuGuest(...args)
  expect(guest.send(attach(1, EP))).toBe(OK)
  return guest
}

describe('§5.13.6 ATTACH and DETACH', () => {
  it('creates the domain, and ends it with its last endpoint', () => {
    const guest = attached()
    expect(guest.send(attach(1, EP + 1))).toBe(OK)
    expect(guest.unit.domainCount).toBe(1)
    guest.send(map(1, 0, 0xfff, 0x1000, READ))
    expect(guest.send(detach(1, EP))).toBe(OK)
    expect(guest.unit.mappingCount).toBe(1)
    expect(guest.send(detach(1, EP + 1))).toBe(OK)
    expect([guest.unit.domainCount, guest.unit.mappingCount]).toEqual([0, 0])
    expect(guest.send(map(1, 0, 0xfff, 0x1000, READ))).toBe(NOENT)
  })

  it('a new domain of an old ID has none of its mappings', () => {
    const guest = attached()
    guest.send(map(1, 0, 0xfff, 0x1000, READ))
    guest.send(detach(1, EP))
    guest.send(attach(1, EP))
    expect(guest.dma(EP, 0, READ)).toBe(FAULTS.notMapped.value)
  })

  it('an attached endpoint goes over to another domain, which ends the first', () => {
    const guest = attached()
    expect(guest.send(attach(2, EP))).toBe(OK)
    expect(guest.send(detach(1, EP))).toBe(INVAL)
    expect(guest.send(map(1, 0, 0xfff, 0, READ))).toBe(NOENT)
    expect(guest.send(detach(2, EP))).toBe(OK)
  })

  it('attaching once more to the same domain keeps its mappings', () => {
    const guest = attached()
    guest.send(map(1, 0, 0xfff, 0x1000, READ))
    expect(guest.send(attach(1, EP))).toBe(OK)
    expect(guest.dma(EP, 0, READ)).toBe(0)
  })

  it('reserved not zero: INVAL', () => {
    expect(new ViommuGuest().send([1, 1, EP, 0, 0x100])).toBe(INVAL)
  })

  it('an unknown flag: INVAL; so is BYPASS where BYPASS_CONFIG was not negotiated', () => {
    expect(new ViommuGuest().send(attach(1, EP, 2))).toBe(INVAL)
    expect(new ViommuGuest({}, { lo: 0x37, hi: 1 }).send(attach(1, EP, BYPASS))).toBe(INVAL)
  })

  it('an endpoint that is not there: NOENT, and so above 16 bits', () => {
    const guest = new ViommuGuest({ endpointExists: (endpoint) => endpoint === EP })
    expect(guest.send(attach(1, EP + 1))).toBe(NOENT)
    expect(guest.send(detach(1, EP + 1))).toBe(NOENT)
    expect(guest.send(attach(1, 0x1_0000 + EP))).toBe(NOENT)
    expect(guest.send(attach(1, EP))).toBe(OK)
  })

  it('a domain outside of domain_range: RANGE', () => {
    const guest = new ViommuGuest({ domainRange: { start: 2, end: 5 } })
    expect([1, 2, 5, 6].map((domain) => guest.send(attach(domain, EP)))).toEqual([RANGE, OK, OK, RANGE])
  })

  it('a flag that does not fit the domain: INVAL', () => {
    const guest = attached()
    expect(guest.send(attach(1, EP + 1, BYPASS))).toBe(INVAL)
    expect(guest.send(attach(2, EP + 1, BYPASS))).toBe(OK)
    expect(guest.send(attach(2, EP + 2))).toBe(INVAL)
  })

  it('DETACH from a domain that it is not in: INVAL', () => {
    const guest = attached()
    expect(guest.send(detach(2, EP))).toBe(INVAL)
    expect(guest.send(detach(1, EP + 1))).toBe(INVAL)
  })
})

describe('§5.13.6 MAP', () => {
  it('maps, with the rights and the offset asked for', () => {
    const guest = attached()
    expect(guest.send(map(1, 0x1_2345_6000, 0x1_2345_7fff, 0x9_8000_1000, READ | WRITE))).toBe(OK)
    expect(guest.dma(EP, 0x1_2345_7ff8, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size, guest.out.rights]).toEqual([0x9_8000_2ff8, 12, 3])
  })

  it('what is not aligned on the granule: RANGE', () => {
    const guest = attached({ granule: 0x4000 })
    expect(guest.send(map(1, 0x1000, 0x3fff, 0, READ))).toBe(RANGE)
    expect(guest.send(map(1, 0, 0x2fff, 0, READ))).toBe(RANGE)
    expect(guest.send(map(1, 0, 0x3fff, 0x1000, READ))).toBe(RANGE)
    expect(guest.send(map(1, 0, 0x3fff, 0x8000, READ))).toBe(OK)
  })

  it('what overlaps a mapping, by whatever end: INVAL', () => {
    const guest = attached()
    expect(guest.send(map(1, 0x4000, 0x7fff, 0, READ))).toBe(OK)
    for (const [start, end] of [
      [0x4000, 0x7fff],
      [0x3000, 0x4fff],
      [0x7000, 0x8fff],
      [0x5000, 0x5fff],
      [0, 0xffff],
    ] as const) {
      expect(guest.send(map(1, start, end, 0, READ))).toBe(INVAL)
    }
    expect(guest.send(map(1, 0x3000, 0x3fff, 0, READ))).toBe(OK)
    expect(guest.send(map(1, 0x8000, 0x8fff, 0, READ))).toBe(OK)
  })

  it('an unknown flag: INVAL; so is MMIO where it was not negotiated', () => {
    expect(attached().send(map(1, 0, 0xfff, 0, 8))).toBe(INVAL)
    expect(attached().send(map(1, 0, 0xfff, 0, WRITE | MMIO))).toBe(OK)
    expect(attached({}, { lo: 0x57, hi: 1 }).send(map(1, 0, 0xfff, 0, WRITE | MMIO))).toBe(INVAL)
  })

  it('a domain that is not there: NOENT; a bypass domain: INVAL', () => {
    const guest = attached()
    expect(guest.send(map(2, 0, 0xfff, 0, READ))).toBe(NOENT)
    guest.send(attach(2, EP + 1, BYPASS))
    expect(guest.send(map(2, 0, 0xfff, 0, READ))).toBe(INVAL)
    expect(guest.send(unmap(2, 0, 0xfff))).toBe(INVAL)
  })

  it('an end below its start: INVAL', () => {
    expect(attached().send(map(1, 0x2000, 0xfff, 0, READ))).toBe(INVAL)
    expect(attached().send(unmap(1, 0x2000, 0xfff))).toBe(INVAL)
  })

  it('beyond input_range: RANGE', () => {
    const guest = attached({ inputBits: 39 })
    expect(guest.send(map(1, 2 ** 39 - 4096, 2 ** 39 + 4095, 0, READ))).toBe(RANGE)
    expect(guest.send(map(1, 2 ** 39 - 4096, 2 ** 39 - 1, 0, READ))).toBe(OK)
    expect(guest.dma(EP, 2 ** 39 - 1, READ)).toBe(0)
    expect(guest.dma(EP, 2 ** 39, READ)).toBe(FAULTS.beyondInputRange.value)
  })

  it('into a reserved region: INVAL', () => {
    const guest = attached({ reservedRegions: [MSI] })
    expect(guest.send(map(1, 0xfedf_f000, 0xfee0_0fff, 0, READ))).toBe(INVAL)
    expect(guest.send(map(1, 0xfedf_f000, 0xfedf_ffff, 0, READ))).toBe(OK)
    expect(guest.send(map(1, 0xfef0_0000, 0xfef0_0fff, 0, READ))).toBe(OK)
  })

  it('more mappings than the device holds: NOMEM, until one is given back', () => {
    const guest = attached({ maxMappings: 3 })
    for (const page of [0, 1, 2]) expect(guest.send(map(1, page * 4096, page * 4096 + 4095, 0, READ))).toBe(OK)
    expect(guest.send(map(1, 0x9000, 0x9fff, 0, READ))).toBe(NOMEM)
    guest.send(unmap(1, 0, 0xfff))
    expect(guest.send(map(1, 0x9000, 0x9fff, 0, READ))).toBe(OK)
  })
})

describe('§5.13.6 UNMAP: the examples of the specification, in pages', () => {
  const page = (first: number, last: number): [number, number] => [first * 4096, last * 4096 + 4095]
  const cases = [
    { name: '(1) nothing mapped', maps: [], range: [0, 4], status: OK, left: 0 },
    { name: '(2) all of one', maps: [[0, 9]], range: [0, 9], status: OK, left: 0 },
    { name: '(3) two', maps: [[0, 4], [5, 9]], range: [0, 9], status: OK, left: 0 }, // biome-ignore format: a row each
    { name: '(4) a part of one', maps: [[0, 9]], range: [0, 4], status: RANGE, left: 1 },
    { name: '(5) one of two', maps: [[0, 4], [5, 9]], range: [0, 4], status: OK, left: 1 }, // biome-ignore format: a row each
    { name: '(6) more than there is', maps: [[0, 4]], range: [0, 9], status: OK, left: 0 },
    { name: '(7) two, and a gap', maps: [[0, 4], [10, 14]], range: [0, 14], status: OK, left: 0 }, // biome-ignore format: a row each
    { name: 'one whole and one in part: none', maps: [[0, 4], [5, 9]], range: [0, 6], status: RANGE, left: 2 }, // biome-ignore format: a row each
  ] as const
  it.each(cases)('$name', ({ maps, range, status, left }) => {
    const guest = attached()
    for (const [first, last] of maps) expect(guest.send(map(1, ...page(first, last), 0, READ))).toBe(OK)
    expect(guest.send(unmap(1, ...page(range[0], range[1])))).toBe(status)
    expect(guest.unit.mappingCount).toBe(left)
  })

  it('a domain that is not there: NOENT', () => {
    expect(attached().send(unmap(2, 0, 0xfff))).toBe(NOENT)
  })

  it('takes the last byte of the address space', () => {
    const guest = attached()
    const ones = [0xffff_ffff, 0xffff_ffff]
    expect(guest.send([3, 1, 0xffff_f000, 0xffff_ffff, ...ones, 0x1000, 0, READ])).toBe(OK)
    expect(guest.unit.translate(EP, -1, 'untranslated', 0xffff_ffff, 0xffff_fffc, READ, guest.out)).toBe(0)
    expect(guest.output).toBe(0x1ffc)
    expect(guest.send([4, 1, 0, 0, ...ones, 0])).toBe(OK)
    expect(guest.unit.mappingCount).toBe(0)
  })
})

describe('§5.13.6 PROBE', () => {
  it('lists reserved regions, and fills up with zeros', () => {
    const guest = new ViommuGuest({ reservedRegions: [{ kind: 'reserved', start: 0x8000, end: 0x8fff }, MSI] })
    guest.queue(probe(EP), 516)
    const { at, length } = guest.kick()[0]!
    expect(length).toBe(516)
    const properties = guest.memory.slice(at, at + 512)
    const hex = (from: number, to: number): string => Buffer.from(properties.subarray(from, to)).toString('hex')
    // type 1, length 20; subtype; start; end
    expect(hex(0, 24)).toBe('01001400' + '00000000' + '0080000000000000' + 'ff8f000000000000')
    expect(hex(24, 48)).toBe('01001400' + '01000000' + '0000e0fe00000000' + 'ffffeffe00000000')
    expect(properties.subarray(48).every((byte) => byte === 0)).toBe(true)
    expect(guest.memory.slice(at + 512, at + 516)).toEqual(Uint8Array.of(OK, 0, 0, 0))
  })

  it('an endpoint that is not there: NOENT, and no property', () => {
    const guest = new ViommuGuest({ endpointExists: () => false, reservedRegions: [MSI] })
    guest.queue(probe(EP), 516)
    const { at } = guest.kick()[0]!
    expect(guest.view.getUint8(at + 512)).toBe(NOENT)
    expect(guest.memory.slice(at, at + 512).every((byte) => byte === 0)).toBe(true)
  })

  it('too little room for the properties: INVAL, at the end of what room there is', () => {
    const guest = new ViommuGuest({ reservedRegions: [MSI] })
    expect(guest.send(probe(EP), 100)).toBe(INVAL)
  })

  it('not offered: comes back with nothing written', () => {
    expect(new ViommuGuest({ probeSize: 0 }).send(probe(EP), 516)).toBe(-1)
  })
})

describe('§5.13.6 requests that cannot be understood', () => {
  it('an unknown type comes back with nothing written; QEMU answers UNSUPP', () => {
    expect(new ViommuGuest().send([9, 0, 0, 0, 0])).toBe(-1)
    expect(new ViommuGuest({ answersUnknownRequests: true }).send([9, 0, 0, 0, 0])).toBe(UNSUPP)
  })

  it('MAP and UNMAP without MAP_UNMAP are of an unknown type', () => {
    const guest = new ViommuGuest({}, { lo: 0x73, hi: 1 })
    guest.send(attach(1, EP))
    expect(guest.send(map(1, 0, 0xfff, 0, READ))).toBe(-1)
    expect(guest.send(unmap(1, 0, 0xfff))).toBe(-1)
  })

  it('too short for its type, with room for a tail: INVAL', () => {
    expect(new ViommuGuest().send([1, 1, EP, 0])).toBe(INVAL)
    expect(attached().send(map(1, 0, 0xfff, 0, READ).slice(0, 8))).toBe(INVAL)
  })

  it.each([
    ['no room for a tail', [1, 1, EP, 0, 0], 3, 20],
    ['no whole head', [1], 4, 3],
  ] as const)('%s: nothing written; QEMU wants to be reset', (_name, words, writable, readable) => {
    const guest = new ViommuGuest()
    guest.queue(words, writable, readable)
    expect(guest.kick()[0]?.length).toBe(0)
    expect(guest.broken).toBeNull()
    const strict = new ViommuGuest({ breaksOnShortRequests: true })
    strict.queue(words, writable, readable)
    expect(strict.kick()).toEqual([])
    expect(strict.broken).toMatch(/has no head or no tail/)
  })

  it('head and tail may lie in any number of buffers, with more room than needed', () => {
    const guest = new ViommuGuest()
    expect(guest.send(attach(1, EP), 200)).toBe(OK)
    expect(guest.send([...attach(2, EP), 1, 2, 3], 8)).toBe(OK)
  })
})

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

describe('§2.4 reset', () => {
  it('ends all domains; a driver can start anew', () => {
    const guest = attached()
    guest.send(map(1, 0, 0xfff, 0x1000, READ))
    guest.unit.reset()
    expect([guest.unit.domainCount, guest.unit.mappingCount]).toEqual([0, 0])
    expect(guest.dma(EP, 0, READ)).toBe(FAULTS.unknownEndpoint.value)
    guest.start(ALL_FEATURES)
    expect(guest.send(attach(1, EP))).toBe(OK)
    expect(guest.dma(EP, 0, READ)).toBe(FAULTS.notMapped.value)
  })
})

describe('QEMU’s device', () => {
  const X86 = { msi: { start: 0xfee0_0000, end: 0xfeef_ffff }, inputBits: 39 }

  it('11.1 on q35: bits 0, 1, 2, 4, 5, 6; 39 bits, 4 KiB, all domain IDs, bypass, 512 bytes of properties', () => {
    const { unit } = new ViommuGuest(virtioIommuOptionsFor('11.1', X86))
    expect(unit.features).toEqual({ lo: 0b111_0111, hi: 0 })
    const words = Array.from({ length: 10 }, (_, index) => unit.config.read(4 * index, 4))
    expect(words).toEqual([0xffff_f000, 0xffff_ffff, 0, 0, 0xffff_ffff, 0x7f, 0, 0xffff_ffff, 512, 1])
  })

  it('7.2: 64 bits', () => {
    const { unit } = new ViommuGuest(virtioIommuOptionsFor('7.2', X86))
    expect([unit.config.read(16, 4), unit.config.read(20, 4)]).toEqual([0xffff_ffff, 0xffff_ffff])
  })

  it('boot-bypass=off, granule=16k, aw-bits=48', () => {
    const { unit } = new ViommuGuest(
      virtioIommuOptionsFor('11.1', X86, { 'boot-bypass': false, granule: '16k', 'aw-bits': 48 }),
    )
    expect([unit.config.read(0, 4), unit.config.read(20, 4), unit.config.read(36, 1)]).toEqual([0xffff_c000, 0xffff, 0])
  })

  it('refuses what QEMU refuses', () => {
    expect(() => virtioIommuOptionsFor('11.1', X86, { 'aw-bits': 31 })).toThrow('aw-bits must be within [32,64]')
    expect(() => virtioIommuOptionsFor('11.1', X86, { granule: '32k' })).toThrow('granule is one of 4k')
    expect(() => virtioIommuOptionsFor('7.2', X86, { granule: '4k' })).toThrow('no property "granule"')
  })
})

describe('options that no device can have', () => {
  it.each([
    [{ granule: 1024 }, 'granule'],
    [{ inputBits: 65 }, 'inputBits'],
    [{ domainRange: { start: 5, end: 4 } }, 'domainRange'],
    [{ probeSize: -1 }, 'probeSize'],
    [{ maxMappings: 0 }, 'maxMappings'],
    [{ reservedRegions: [MSI, MSI] }, 'ascend'],
    [{ probeSize: 16, reservedRegions: [MSI] }, 'probeSize'],
  ] as const)('%j', (options, message) => {
    expect(() => new ViommuGuest(options)).toThrow(message)
  })
})
