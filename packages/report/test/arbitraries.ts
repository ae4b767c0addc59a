import type { Fact, GuestDevice, GuestIommu } from '@dmascope/guest'
import type { DeviceObservation, DmaCounts, MachineDescription, StrayAccess } from '@dmascope/machine'
import fc from 'fast-check'
import type { BootAccounts } from '../src/index.ts'
import { guestResult } from './accounts.ts'

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom('a|b', '`', '``code``', 'two\nlines', '<id>', '*bold*', 'x'.repeat(140), 'word '.repeat(40)),
)
const small = fc.nat(1000)
const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null })
const phase = fc.constantFrom('firmware' as const, 'probe' as const, 'self-test' as const)
const hex = fc.nat().map((value) => `0x${value.toString(16)}`)
const byte = (value: number): string => value.toString(16).padStart(2, '0')

const id = fc
  .record({ bus: fc.nat(3), device: fc.nat(31), fn: fc.nat(7) })
  .map(({ bus, device, fn }) => `0000:${byte(bus)}:${byte(device)}.${fn}`)

const fact: fc.Arbitrary<Fact> = fc.record(
  { fact: text, source: text, bytes: text },
  { requiredKeys: ['fact', 'source'] },
)

const dmaCounts: fc.Arbitrary<DmaCounts> = fc.record({
  reads: small,
  writes: small,
  bytes: small,
  translated: fc.oneof(fc.constant(0), small),
  untranslated: fc.oneof(fc.constant(0), small),
  faulted: fc.oneof(fc.constant(0), small),
})

const strayAccess: fc.Arbitrary<StrayAccess> = fc.record(
  {
    kind: fc.constantFrom('read' as const, 'write' as const),
    busAddress: hex,
    physical: hex,
    length: small,
    landed: fc.constantFrom('ram' as const, 'rom' as const, 'mmio' as const, 'hole' as const),
    count: fc.integer({ min: 1, max: 50 }),
    before: text,
    after: text,
  },
  { requiredKeys: ['kind', 'busAddress', 'physical', 'length', 'landed', 'count'] },
)

const featureBits = fc.uniqueArray(fc.nat(63), { maxLength: 6 })

/** Any account that a guest may give of a device. */
const device = (of: string): fc.Arbitrary<GuestDevice> =>
  fc.record(
    {
      id: fc.constant(of),
      vendor: fc.nat(0xffff),
      device: fc.nat(0xffff),
      classCode: fc.nat(0xff_ffff),
      revision: fc.nat(0xff),
      driver: maybe(text),
      firmware: fc.record({ covered: fc.boolean(), by: maybe(text) }),
      iommuGroup: maybe(small),
      domain: fc.constantFrom(...(['dma', 'dma-fq', 'identity', 'blocked', 'unknown', 'none'] as const)),
      dmaPath: fc.constantFrom(...(['physical', 'direct', 'iommu', 'swiotlb', 'xen', null] as const)),
      virtio: fc.record({
        offered: featureBits,
        negotiated: featureBits,
        accessPlatform: fc.boolean(),
        status: fc.nat(0xff),
      }),
      interrupt: fc.record({
        mode: fc.constantFrom(...(['msix', 'msi', 'intx', 'none'] as const)),
        remapped: fc.boolean(),
        delivered: small,
        lost: small,
      }),
      io: fc.record({
        kind: fc.constantFrom(...(['blk', 'net', 'rng', 'console', 'balloon', 'synthetic', 'none'] as const)),
        attempted: fc.boolean(),
        ok: fc.boolean(),
        wrongData: fc.boolean(),
        hung: fc.boolean(),
        detail: text,
      }),
      refusal: maybe(text),
      why: fc.array(fact, { maxLength: 2 }),
    },
    {
      requiredKeys: [
        ...(['id', 'vendor', 'device', 'classCode', 'revision', 'driver', 'firmware', 'iommuGroup', 'domain'] as const),
        ...(['dmaPath', 'interrupt', 'io', 'refusal', 'why'] as const),
      ],
    },
  )

/** Any account that a machine may give of a function. */
const seen = (of: string): fc.Arbitrary<DeviceObservation> =>
  fc
    .record({
      id: fc.constant(of),
      model: fc.constantFrom('virtio-blk-pci', 'e1000e', 'vhost-user-gpio-pci-non-transitional-of-long-name', 'a|b'),
      deviceId: maybe(text),
      behindIommu: fc.boolean(),
      dma: fc.record({ firmware: dmaCounts, probe: dmaCounts, 'self-test': dmaCounts }),
      msi: small,
      strays: fc.array(strayAccess, { maxLength: 3 }),
      faults: fc.array(fc.record({ address: hex, reason: fc.nat(300), text, phase }), { maxLength: 2 }),
      described: fc.constant(null),
    })
    .map((one) => ({ ...one, strayCount: one.strays.reduce((sum, { count }) => sum + count, 0) }))

const iommu: fc.Arbitrary<GuestIommu> = fc.record({
  id: fc.constantFrom('dmar0', 'dmar1'),
  kind: fc.constantFrom('vtd' as const, 'amdvi' as const, 'virtio-iommu' as const, 'smmuv3' as const, 'tce' as const),
  base: fc.constantFrom(0xfed9_0000, 0xfed9_1000, null),
  exposed: fc.boolean(),
  enabled: fc.boolean(),
  interruptRemapping: fc.boolean(),
  default: fc.constantFrom(...(['dma', 'dma-fq', 'identity', 'none'] as const)),
  addressWidth: fc.constantFrom(39, 48, 57),
  why: fc.constant([]),
})

const machine: fc.Arbitrary<MachineDescription> = fc.record({
  machine: fc.constantFrom('q35' as const, 'pc' as const),
  qemuVersion: fc.constantFrom('7.2' as const, '11.1' as const),
  name: text,
  source: fc.constantFrom('preset' as const, 'file' as const, 'qemu' as const),
  memory: fc.constant(2 ** 29),
  cpus: fc.constant(1),
  defaultDevices: fc.boolean(),
  machineProperties: fc.constant({}),
  devices: fc.constant([]),
  append: text,
  ignored: fc.array(text, { maxLength: 2 }),
})

/** Accounts of a boot: devices that both sides know, and some that only one does. */
export const bootAccounts: fc.Arbitrary<BootAccounts> = fc
  .uniqueArray(id, { maxLength: 4 })
  .chain((ids) =>
    fc.record({
      machine,
      iommus: fc.array(iommu, { maxLength: 2 }),
      booted: fc.boolean(),
      halted: fc.option(text, { nil: undefined }),
      found: fc.tuple(...ids.slice(0, 3).map(device)),
      observed: fc.tuple(...ids.slice(Math.min(1, ids.length - 1)).map(seen)),
      timeline: fc.array(text, { maxLength: 2 }),
      version: text,
    }),
  )
  .map(({ machine: description, found, observed, halted, version, ...guest }) => ({
    description,
    guest: guestResult({ ...guest, devices: found, ...(halted !== undefined && { halted }) }),
    observations: observed,
    version,
  }))
