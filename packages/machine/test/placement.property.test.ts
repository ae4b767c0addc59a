import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { placeDevices } from '../src/build/placement.ts'
import { type DeviceDescription, DmascopeError, type MachineDescription } from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

const BUILT_IN = [
  { device: 0, fn: 0, model: 'mch' },
  { device: 31, fn: 0, model: 'ICH9-LPC' },
  { device: 31, fn: 2, model: 'ich9-ahci' },
]

const machineWith = (devices: readonly DeviceDescription[]): MachineDescription => ({
  machine: 'q35',
  qemuVersion: '11.1',
  name: 'test',
  source: 'file',
  memory: 0x2000_0000,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices,
  append: '',
  ignored: [],
})

/** What QEMU does with slots on one bus, in the plainest way: a place for each device, or the index of the refused one. */
function expected(devices: readonly DeviceDescription[]): string[] | number {
  const taken = new Set(BUILT_IN.map(({ device, fn }) => `${device}.${fn}`))
  const multifunction = new Set([31])
  const places: string[] = []
  for (const [index, { addr, properties }] of devices.entries()) {
    const free = Array.from({ length: 32 }, (_, slot) => slot).find((slot) => !taken.has(`${slot}.0`))
    const at = addr ?? (free === undefined ? null : { device: free, function: 0 })
    if (at === null || taken.has(`${at.device}.${at.function}`)) return index
    const others = Array.from({ length: 7 }, (_, fn) => taken.has(`${at.device}.${fn + 1}`)).includes(true)
    const several = properties.multifunction === true
    if (at.function === 0 && others && !several) return index
    if (at.function !== 0 && taken.has(`${at.device}.0`) && !multifunction.has(at.device)) return index
    if (at.function === 0 && several) multifunction.add(at.device)
    taken.add(`${at.device}.${at.function}`)
    places.push(`${at.device}.${at.function}`)
  }
  return places
}

const devices = fc
  .array(
    fc.record({
      addr: fc.option(
        fc.record({ device: fc.oneof(fc.nat(4), fc.nat(31)), function: fc.oneof(fc.constant(0), fc.nat(7)) }),
        { nil: undefined },
      ),
      several: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((list) =>
    list.map(
      ({ addr, several }, index): DeviceDescription => ({
        model: 'virtio-rng-pci',
        properties: several ? { multifunction: true } : {},
        location: { text: `device ${index}` },
        ...(addr !== undefined && { addr }),
      }),
    ),
  )

describe('placing devices on one bus', () => {
  it('gives each the place that QEMU would, or refuses the one that QEMU would, whatever they ask for', () => {
    let placed = 0
    let refused = 0
    fc.assert(
      fc.property(devices, (list) => {
        const wanted = expected(list)
        try {
          const { functions } = placeDevices(machineWith(list), { name: 'pcie.0', nature: 'express' }, BUILT_IN)
          expect(functions.map(({ device, fn }) => `${device}.${fn}`)).toEqual(wanted)
          placed++
        } catch (error) {
          if (!(error instanceof DmascopeError)) throw error
          expect(error.code).toBe('MACHINE_SLOT')
          expect(error.context.location).toBe(`device ${wanted}`)
          refused++
        }
      }),
      { numRuns: RUNS },
    )
    if (RUNS >= 300) expect([placed > 0, refused > 0]).toEqual([true, true])
  })

  it('takes 30 devices beside a Q35’s own, and no more', () => {
    const many = (count: number): DeviceDescription[] =>
      Array.from({ length: count }, (_, index) => ({
        model: 'virtio-rng-pci',
        properties: {},
        location: { text: `device ${index}` },
      }))
    const place = (count: number): number =>
      placeDevices(machineWith(many(count)), { name: 'pcie.0', nature: 'express' }, BUILT_IN).functions.length
    expect(place(30)).toBe(30)
    expect(() => place(31)).toThrow(/device 30: PCI: no slot\/function available for virtio-rng-pci/)
  })
})
