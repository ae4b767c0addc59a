import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AddressSpace, GuestRam } from '../src/index.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const PAGE = 0x1000
const PAGES = 24
/** RAM in pages 2 to 9 and 14 to 19. */
const isRamPage = (page: number): boolean => (page >= 2 && page < 10) || (page >= 14 && page < 20)

const step = fc.oneof(
  fc.record({ add: fc.integer({ min: 0, max: PAGES - 1 }), pages: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ remove: fc.nat(15) }),
)

it('the region laid last answers, and RAM where none is left, in whatever order regions come and go', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
      const ram = new GuestRam([
        { base: 2 * PAGE, size: 8 * PAGE },
        { base: 14 * PAGE, size: 6 * PAGE },
      ])
      const space = new AddressSpace(ram)
      const laid: { mark: number; first: number; end: number; take: () => void }[] = []
      for (const [index, one] of steps.entries()) {
        if ('add' in one) {
          const mark = index + 1
          const place = { base: one.add * PAGE, size: one.pages * PAGE }
          const take = space.add({ name: 'one', ...place, kind: 'mmio', handler: { read: () => mark, write() {} } })
          laid.push({ mark, first: one.add, end: one.add + one.pages, take })
        } else {
          const [taken] = laid.splice(one.remove, 1)
          taken?.take()
        }
      }
      const pages = Array.from({ length: PAGES }, (_, page) => page)
      const told = pages.map((page) => [space.isRam(page * PAGE, PAGE), space.read(page * PAGE, 1)])
      const wanted = pages.map((page) => {
        const top = laid.findLast(({ first, end }) => page >= first && page < end)
        return top !== undefined ? [false, top.mark] : isRamPage(page) ? [true, 0] : [false, 0xff]
      })
      ram.dispose()
      expect(told).toEqual(wanted)
    }),
    { numRuns },
  )
})
