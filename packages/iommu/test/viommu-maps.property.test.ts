import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PortTlb } from '../src/index.ts'
import { FAULTS } from '../src/virtio-iommu/index.ts'
import { type Added, MappingTable } from '../src/virtio-iommu/mapping-table.ts'
import { attach, detach, map, unmap, ViommuGuest } from './viommu-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const PAGE = 4096

interface Interval {
  readonly start: bigint
  readonly end: bigint
  readonly phys: bigint
  readonly flags: number
}

/** A domain's mappings as the specification tells of them: a list, searched from end to end. */
class PlainMap {
  readonly all: Interval[] = []

  add(one: Interval): Added {
    if (this.all.some(({ start, end }) => start <= one.end && one.start <= end)) return 'overlaps'
    this.all.push(one)
    return 'added'
  }

  remove(start: bigint, end: bigint): number {
    const hit = this.all.filter((one) => one.start <= end && start <= one.end)
    if (hit.some((one) => one.start < start || one.end > end)) return -1
    for (const one of hit) this.all.splice(this.all.indexOf(one), 1)
    return hit.length
  }

  find(address: bigint): Interval | undefined {
    return this.all.find(({ start, end }) => start <= address && address <= end)
  }
}

const pair = (value: bigint): { hi: number; lo: number } => ({
  hi: Number(value >> 32n),
  lo: Number(value & 0xffff_ffffn),
})

/** Addresses around the places where 32-bit halves carry. */
const addressArbitrary = fc
  .tuple(
    fc.constantFrom(0n, 0xffff_fff0n, 0x1_0000_0000n, 0x7fff_ffff_ffff_fff0n, 0xffff_ffff_ffff_ffe0n),
    fc.bigInt(0n, 31n),
  )
  .map(([base, more]) => base + more)

it('a table of mappings is a plain list of intervals, found by bisection', () => {
  const operation = fc.tuple(fc.constantFrom('add', 'remove', 'find'), addressArbitrary, fc.bigInt(0n, 12n))
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const budget = { left: 1000 }
      const table = new MappingTable(budget)
      const plain = new PlainMap()
      for (const [index, [what, start, length]] of operations.entries()) {
        const last = start + length
        const end = last > 0xffff_ffff_ffff_ffffn ? 0xffff_ffff_ffff_ffffn : last
        if (what === 'add') {
          const one = { start, end, phys: BigInt(index) << 30n, flags: index & 7 }
          expect(table.add(pair(start), pair(end), pair(one.phys), one.flags)).toBe(plain.add(one))
        } else if (what === 'remove') {
          expect(table.remove(pair(start), pair(end))).toBe(plain.remove(start, end))
        }
        const found = plain.find(start)
        const place = table.find(pair(start).hi, pair(start).lo)
        expect(place >= 0).toBe(found !== undefined)
        if (found !== undefined) {
          expect([table.startHi(place), table.startLo(place)]).toEqual([pair(found.start).hi, pair(found.start).lo])
          expect([table.endHi(place), table.endLo(place)]).toEqual([pair(found.end).hi, pair(found.end).lo])
          expect([table.physHi(place), table.physLo(place)]).toEqual([pair(found.phys).hi, pair(found.phys).lo])
          expect(table.flags(place)).toBe(found.flags)
        }
        expect([table.count, budget.left]).toEqual([plain.all.length, 1000 - plain.all.length])
      }
    }),
    { numRuns: RUNS },
  )
})

const step = fc.oneof(
  fc.record({ kind: fc.constant('map' as const), domain: fc.nat(2), page: fc.nat(15), pages: fc.integer({ min: 1, max: 4 }), phys: fc.nat(15), flags: fc.nat(3) }), // biome-ignore format: a step each
  fc.record({ kind: fc.constant('unmap' as const), domain: fc.nat(2), page: fc.nat(15), pages: fc.integer({ min: 1, max: 16 }) }), // biome-ignore format: a step each
  fc.record({ kind: fc.constant('attach' as const), domain: fc.nat(2), endpoint: fc.nat(1), bypass: fc.boolean() }),
  fc.record({ kind: fc.constant('detach' as const), domain: fc.nat(2), endpoint: fc.nat(1) }),
  fc.record({ kind: fc.constant('config' as const), bypass: fc.nat(1) }),
  fc.record({
    kind: fc.constant('dma' as const),
    endpoint: fc.nat(1),
    page: fc.nat(15),
    access: fc.constantFrom(1 as const, 2 as const),
  }),
)

it('whatever requests a driver sends, each port’s copies lead where the maps do', () => {
  const guest = new ViommuGuest()
  const ports = [0, 1].map((endpoint) => new PortTlb(guest.unit, endpoint))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      guest.unit.config.write(36, 1, 0)
      guest.unit.reset()
      guest.start()
      const domains = new Map<number, { bypass: boolean; members: Set<number>; maps: PlainMap }>()
      const domainOf = (endpoint: number) => [...domains.entries()].find(([, { members }]) => members.has(endpoint))
      const leave = (endpoint: number): void => {
        const [id, domain] = domainOf(endpoint) ?? []
        if (id === undefined || domain === undefined) return
        domain.members.delete(endpoint)
        if (domain.members.size === 0) domains.delete(id)
      }
      const known = new Set<number>()
      let bypass = false
      for (const one of steps) {
        if (one.kind === 'config') {
          bypass = one.bypass === 1
          guest.unit.config.write(36, 1, one.bypass)
        } else if (one.kind === 'attach') {
          if (domainOf(one.endpoint)?.[0] !== one.domain) leave(one.endpoint)
          known.add(one.endpoint)
          const domain = domains.get(one.domain)
          const fits = domain === undefined || domain.bypass === one.bypass
          expect(guest.send(attach(one.domain, one.endpoint, one.bypass ? 1 : 0))).toBe(fits ? 0 : 4)
          if (domain === undefined) {
            domains.set(one.domain, { bypass: one.bypass, members: new Set([one.endpoint]), maps: new PlainMap() })
          } else if (fits) domain.members.add(one.endpoint)
        } else if (one.kind === 'detach') {
          const inIt = domainOf(one.endpoint)?.[0] === one.domain
          expect(guest.send(detach(one.domain, one.endpoint))).toBe(inIt ? 0 : 4)
          if (inIt) leave(one.endpoint)
        } else if (one.kind === 'map') {
          const [start, end] = [one.page * PAGE, (one.page + one.pages) * PAGE - 1]
          const status = guest.send(map(one.domain, start, end, one.phys * PAGE, one.flags))
          const domain = domains.get(one.domain)
          if (domain === undefined) expect(status).toBe(6)
          else if (domain.bypass) expect(status).toBe(4)
          else {
            const { maps } = domain
            const range = { start: BigInt(start), end: BigInt(end), phys: BigInt(one.phys * PAGE), flags: one.flags }
            expect(status).toBe(maps.add(range) === 'added' ? 0 : 4)
          }
        } else if (one.kind === 'unmap') {
          const [start, end] = [one.page * PAGE, (one.page + one.pages) * PAGE - 1]
          const status = guest.send(unmap(one.domain, start, end))
          const domain = domains.get(one.domain)
          if (domain === undefined) expect(status).toBe(6)
          else if (domain.bypass) expect(status).toBe(4)
          else expect(status).toBe(domain.maps.remove(BigInt(start), BigInt(end)) < 0 ? 5 : 0)
        } else {
          const iova = one.page * PAGE + 4 * one.page
          const port = ports[one.endpoint]!
          const fault = port.lookup(0, iova, one.access)
          const domain = domainOf(one.endpoint)?.[1]
          const passes = domain === undefined ? bypass : domain.bypass
          const found = domain?.maps.find(BigInt(iova))
          if (passes) {
            expect([fault, port.lo, port.route]).toEqual([0, iova, 'bypass'])
          } else if (domain === undefined) {
            expect(fault).toBe(known.has(one.endpoint) ? FAULTS.noDomain.value : FAULTS.unknownEndpoint.value)
          } else if (found === undefined) {
            expect(fault).toBe(FAULTS.notMapped.value)
          } else if ((one.access & ~found.flags) !== 0) {
            expect(fault).toBe(FAULTS.noPermission.value)
          } else {
            expect([fault, BigInt(port.lo), port.route]).toEqual([
              0,
              BigInt(iova) - found.start + found.phys,
              'translated',
            ])
          }
        }
      }
    }),
    { numRuns: RUNS },
  )
})

it('no bytes of a request, and no buffers, make it do more than answer', () => {
  const guest = new ViommuGuest()
  const words = fc.array(
    fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 0x18, 0xfff, 0x1000, 0xffff_ffff), fc.nat(0xffff_ffff)),
    { minLength: 1, maxLength: 20 },
  )
  const request = fc.record({ words, writable: fc.integer({ min: 1, max: 520 }), readable: fc.integer({ min: 1, max: 80 }) }) // biome-ignore format: a step each
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), (requests) => {
      guest.unit.reset()
      guest.start()
      for (const { words: body, writable, readable } of requests) guest.queue(body, writable, readable)
      const done = guest.kick()
      expect(done).toHaveLength(requests.length)
      for (const [index, { length }] of done.entries()) {
        expect(length).toBeLessThanOrEqual(requests[index]!.writable)
        expect(length === 0 || length === 4 || length <= 516).toBe(true)
      }
      expect(guest.broken).toBeNull()
      expect(guest.unit.domainCount).toBeLessThanOrEqual(requests.length)
      expect(guest.unit.mappingCount).toBeLessThanOrEqual(requests.length)
    }),
    { numRuns: RUNS },
  )
})
