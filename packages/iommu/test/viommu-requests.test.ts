import { describe, expect, it } from 'vitest'
import { FAULTS } from '../src/virtio-iommu/index.ts'
import { ALL_FEATURES, attach, attached, detach, EP, MSI, map, probe, unmap, ViommuGuest } from './viommu-guest.ts'

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
