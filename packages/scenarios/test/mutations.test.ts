import { buildDmar, type DeviceScope } from '@dmascope/acpi'
import { type GuestProfile, parseGuest } from '@dmascope/guest'
import { HYPERVISORS, type Hypervisor, type MachineDescription } from '@dmascope/machine'
import type { ReportDevice } from '@dmascope/report'
import { describe, expect, it } from 'vitest'
import { bootMachine, describeCell, parseCell, SELF_TEST_BYTES } from '../src/index.ts'
import { matrixAxes } from '../src/matrix/index.ts'

/** A machine to try a rule on: a cell of the matrix, and what else it has. */
interface Trial {
  /** HYPERVISOR/PLATFORM/IOMMU/DEVICE. */
  readonly cell: string
  readonly change?: (description: MachineDescription) => Partial<MachineDescription>
}

const on = (cell: string, change?: Trial['change']): Trial => ({ cell, ...(change !== undefined && { change }) })
const location = { text: 'mutation' }
const ACCESS_PLATFORM = 33
const append =
  (text: string): NonNullable<Trial['change']> =>
  () => ({ append: text })
const iommuWith =
  (properties: MachineDescription['devices'][number]['properties']): NonNullable<Trial['change']> =>
  ({ devices }) => ({
    devices: devices.map((one) =>
      one.model === 'intel-iommu' ? { ...one, properties: { ...one.properties, ...properties } } : one,
    ),
  })

const askedWith =
  (properties: MachineDescription['devices'][number]['properties']): NonNullable<Trial['change']> =>
  ({ devices }) => ({
    devices: devices.map((one) =>
      one.id === 'asked' ? { ...one, properties: { ...one.properties, ...properties } } : one,
    ),
  })

const MIB = 0x10_0000
/** 00:04.0, which is where cells have the device in question. */
const ASKED_SCOPE: DeviceScope = {
  kind: 'endpoint',
  flags: 0,
  enumerationId: 0,
  startBusNumber: 0,
  path: [{ device: 4, function: 0 }],
}
/** A DMAR of one unit, at VT-d's usual place: for these devices, or for all where none are named. No RMRR. */
const dmarFor = (...scopes: readonly DeviceScope[]): Pick<MachineDescription, 'tables'> => ({
  tables: [
    {
      table: 'DMAR',
      index: 0,
      replacement: buildDmar({
        signature: 'DMAR',
        header: {
          revision: 1,
          oemId: 'MUTANT',
          oemTableId: 'MUTATION',
          oemRevision: 1,
          creatorId: 'TEST',
          creatorRevision: 1,
        },
        hostAddressWidth: 47,
        flags: 0,
        records: [
          {
            kind: 'DRHD',
            flags: scopes.length === 0 ? 1 : 0,
            segmentNumber: 0,
            size: 0,
            registerBaseAddress: 0xfed9_0000,
            scopes: [...scopes],
          },
        ],
      }),
      patches: [],
      checksum: 'mend',
      location,
    },
  ],
})

/** A unit for one device alone, a display: as processors with graphics of their own have one. */
const graphicsUnit: NonNullable<Trial['change']> = (description) => ({
  ...askedWith({ 'x-pci-class-code': 0x03_00_00 })(description),
  ...dmarFor(ASKED_SCOPE),
})

/**
 * An ISA bridge through which firmware left a transfer going, as a floppy controller's, in the first 16 MiB: what
 * firmware leaves running has memory that ends 32 MiB below the end of it, and uses its start. No table tells of it.
 */
const isaTransfer: NonNullable<Trial['change']> = (description) => ({
  ...askedWith({ 'x-pci-class-code': 0x06_01_00 })(description),
  ...dmarFor(),
  memory: 64 * MIB,
  firmwareRegions: [{ device: 'asked', size: 17 * MIB, location }],
})

/** A machine that names its virtio devices on the kernel's command line and nowhere else. */
const microvm: NonNullable<Trial['change']> = () => ({
  machine: 'microvm',
  machineProperties: { acpi: 'off' },
  devices: [{ model: 'virtio-blk-device', id: 'asked', properties: {}, location }],
})

/** What came of the device in question; what the kernel made of it and of the IOMMUs. No word of why. */
function outcome(trial: Trial, guest: GuestProfile | string, hypervisor?: Hypervisor): unknown {
  const { description, impossible } = describeCell(parseCell(`linux-6.12/${trial.cell}`))
  if (description === null) throw new Error(`${trial.cell}: ${impossible}`)
  const { report } = bootMachine({
    description: { ...description, ...trial.change?.(description), ...(hypervisor !== undefined && { hypervisor }) },
    guest,
    selfTestBytes: SELF_TEST_BYTES,
  })
  const asked = report.devices.find(({ name }) => name === 'asked')
  return {
    iommus: report.iommus,
    asked: asked === undefined ? null : seenOf(asked),
    guests: report.devices.map(({ guest }) => guest),
  }
}

const seenOf = ({ status, verdict, dma, strays, virtio, firmware, driver, resident }: ReportDevice) => ({
  status,
  verdict,
  dma: [dma.translated > 0, dma.untranslated > 0, dma.faulted > 0, dma.stray > 0],
  strays: strays.map(({ landed }) => landed),
  virtio,
  covered: firmware,
  driver,
  resident,
})

/** Each outcome once: a boot comes out the same each time. */
function remembered<One extends Trial>(boot: (trial: One) => unknown): (trial: One) => unknown {
  const known = new Map<One, unknown>()
  return (trial) => {
    if (!known.has(trial)) known.set(trial, boot(trial))
    return known.get(trial)
  }
}

/** Whether on any of the trials it matters which of the two rules there are. */
const decides = <One extends Trial>(
  trials: readonly One[],
  before: (trial: One) => unknown,
  after: (trial: One) => unknown,
): boolean => trials.some((trial) => JSON.stringify(before(trial)) !== JSON.stringify(after(trial)))

const VTD = 'qemu/x86-vtd/on/virtio-blk'
const ASKING = 'qemu/x86-vtd/on/virtio-blk+platform'
const CARD = 'physical/x86-vtd/on/virtio-blk'
const CARD_WITHOUT = 'physical-no-flag/x86-vtd/on/virtio-blk'

const RAW = parseGuest('linux-4.4').virtioDma
const ALWAYS = parseGuest('always-dma-api').virtioDma
const { proposedFeatures: SECOND_BIT } = parseGuest('platform-dma-two-bits')

type Other<Rules> = Readonly<
  Record<string, { readonly other: (rules: Rules) => Partial<Rules> | null; readonly trials: readonly Trial[] }>
>

/** For each rule of a kernel: the same turned off, or into another; and machines of which it decides something. */
const GUEST_RULES: Other<GuestProfile> = {
  virtioDma: {
    other: ({ virtioDma }) => ({
      virtioDma: virtioDma === RAW || virtioDma.name === 'bypass-property-quirk' ? ALWAYS : RAW,
    }),
    trials: [
      on(VTD),
      on(CARD),
      on('qemu-2.4/pseries/on/virtio-blk'),
      on('physical-version/x86-vtd/on/virtio-blk'),
      on('physical-prog-if/x86-vtd/on/virtio-blk'),
      on('physical-config-bit/x86-vtd/on/virtio-blk'),
      on('qemu/x86-xen/none/virtio-blk'),
    ],
  },
  unknownFeatures: {
    other: ({ unknownFeatures }) => ({ unknownFeatures: unknownFeatures.length > 0 ? [] : [ACCESS_PLATFORM] }),
    trials: [on(ASKING), on(VTD)],
  },
  proposedFeatures: {
    other: ({ proposedFeatures }) => ({ proposedFeatures: proposedFeatures.length > 0 ? [] : SECOND_BIT }),
    trials: [on('platform-dma/x86-vtd/on/virtio-blk')],
  },
  restrictedMemory: {
    other: ({ restrictedMemory }) => ({ restrictedMemory: !restrictedMemory }),
    trials: [on('qemu/x86/none/virtio-blk')],
  },
  // A list for one rule of virtio alone.
  whitelist: {
    other: ({ virtioDma, whitelist }) =>
      virtioDma.name !== 'iommu-flag-or-refuse'
        ? null
        : { whitelist: whitelist.length > 0 ? [] : [{ vendor: 0x1af4, device: 0x1001 }] },
    trials: [on(CARD_WITHOUT)],
  },
  drivers: { other: () => ({ drivers: [] }), trials: [on('qemu/x86/none/virtio-blk')] },
  firmwareRegions: {
    other: ({ firmwareRegions }) => ({ firmwareRegions: firmwareRegions === 'honour' ? 'ignore' : 'honour' }),
    trials: [on('qemu/x86-vtd/on/e1000e', () => ({ firmwareRegions: [{ device: 'asked', size: 4096, location }] }))],
  },
  cacheMaintenance: {
    other: ({ cacheMaintenance }) => ({ cacheMaintenance: !cacheMaintenance }),
    trials: [on('physical/arm64-noncoherent/none/e1000e')],
  },
  aheadFlush: {
    other: ({ aheadFlush }) => ({ aheadFlush: !aheadFlush }),
    trials: [on('physical/bmips-viper/none/e1000e')],
  },
  writeDrain: {
    other: ({ writeDrain }) => ({ writeDrain: !writeDrain }),
    trials: [on('physical/arm64-write-buffer/none/e1000e')],
  },
  // Where addresses are taken from decides what a device hits that takes them for physical ones.
  iovaOrder: {
    other: ({ iovaOrder }) => ({ iovaOrder: iovaOrder === 'top-down' ? 'bottom-up' : 'top-down' }),
    trials: [on('qemu-2.4/x86-vtd/on/assigned')],
  },
  busWindows: {
    other: ({ busWindows }) => ({ busWindows: !busWindows }),
    trials: [on('physical/arm64-offset/none/e1000e'), on('qemu/arm64-offset/none/e1000e')],
  },
}

/** The same for what it was built with. */
const CONFIGURATION: Other<GuestProfile['configuration']> = {
  intelIommu: { other: ({ intelIommu }) => ({ intelIommu: !intelIommu }), trials: [on(VTD)] },
  amdIommu: { other: ({ amdIommu }) => ({ amdIommu: !amdIommu }), trials: [on('qemu/x86-amdvi/on/virtio-blk')] },
  intelIommuDefaultOn: {
    other: ({ intelIommuDefaultOn }) => ({ intelIommuDefaultOn: !intelIommuDefaultOn }),
    trials: [on(VTD, append(''))],
  },
  scalableModeDefaultOn: {
    other: ({ scalableModeDefaultOn }) => ({ scalableModeDefaultOn: !scalableModeDefaultOn }),
    trials: [on(VTD, iommuWith({ 'scalable-mode': true }))],
  },
  iommuDefaultPassthrough: {
    other: ({ iommuDefaultPassthrough }) => ({ iommuDefaultPassthrough: !iommuDefaultPassthrough }),
    trials: [on(VTD)],
  },
  iommuDefaultStrict: {
    other: ({ iommuDefaultStrict }) => ({ iommuDefaultStrict: !iommuDefaultStrict }),
    trials: [on(VTD)],
  },
  iommuDefaultStrictArm64: {
    other: ({ iommuDefaultStrictArm64 }) => ({ iommuDefaultStrictArm64: !iommuDefaultStrictArm64 }),
    trials: [on('qemu/arm64-smmuv3/on/virtio-blk')],
  },
  identityWithoutPassThrough: {
    other: ({ identityWithoutPassThrough: one }) => ({
      identityWithoutPassThrough: one === 'dma' ? 'identity-map' : 'dma',
    }),
    trials: [
      on('qemu/x86-vtd/pt/virtio-blk', (description) => ({
        qemuVersion: '7.2',
        ...iommuWith({ pt: false })(description),
      })),
    ],
  },
  graphicsUnitsOff: {
    other: ({ graphicsUnitsOff }) => ({ graphicsUnitsOff: !graphicsUnitsOff }),
    trials: [on('qemu/x86-vtd/on/assigned', graphicsUnit)],
  },
  isaIdentityMap: {
    other: ({ isaIdentityMap }) => ({ isaIdentityMap: !isaIdentityMap }),
    trials: [on('qemu/x86-vtd/on/assigned', isaTransfer)],
  },
  virtioMmioCommandLine: {
    other: ({ virtioMmioCommandLine }) => ({ virtioMmioCommandLine: !virtioMmioCommandLine }),
    trials: [on('qemu/x86/none/virtio-blk', microvm)],
  },
  restrictedPools: {
    other: ({ restrictedPools }) => ({ restrictedPools: !restrictedPools }),
    trials: [on('qemu/arm64-restricted-pool/none/e1000e')],
  },
  // Too small a window maps nothing for good: a device that writes late then meets no entry. QEMU 7.2 says 0 bytes.
  dynamicWindowLimit: {
    other: ({ dynamicWindowLimit: one }) => ({
      dynamicWindowLimit: one === 'hot-plug' ? 'hot-plug-or-ram' : 'hot-plug',
    }),
    trials: [on('qemu/pseries/on/late-writer', () => ({ qemuVersion: '7.2' }))],
  },
  virtioIommu: {
    other: ({ virtioIommu }) => ({ virtioIommu: !virtioIommu }),
    trials: [on('qemu/x86-virtio-iommu/on/virtio-blk')],
  },
}

/** What is no rule: who it is, and what its user asks to be done. */
const NO_RULE = {
  guest: ['text', 'name', 'kernel', 'summary', 'without', 'sriov', 'assign', 'configuration'],
  hypervisor: ['name', 'summary'],
}

const GUESTS: readonly string[] = [
  ...(matrixAxes().find(({ option }) => option === 'guest')?.values ?? []).map(({ name }) => name),
  'linux-6.12,restricted=on',
  'iommu-flag-or-refuse,whitelist=1af4:1001',
]

describe.each(GUESTS)('of %s', { timeout: 60_000 }, (name) => {
  const profile = parseGuest(name)
  const before = remembered((trial: Trial) => outcome(trial, profile))

  it.each(Object.entries(GUEST_RULES))('%s decides something', (_, { other, trials }) => {
    const changed = other(profile)
    if (changed === null) return
    expect(decides(trials, before, (trial) => outcome(trial, { ...profile, ...changed }))).toBe(true)
  })

  it.each(Object.entries(CONFIGURATION))('its %s decides something', (_, { other, trials }) => {
    const configuration = { ...profile.configuration, ...other(profile.configuration) }
    expect(decides(trials, before, (trial) => outcome(trial, { ...profile, configuration }))).toBe(true)
  })
})

it('every rule of a kernel is tried', () => {
  const profile = parseGuest('linux-6.12')
  expect([...Object.keys(GUEST_RULES), ...NO_RULE.guest].sort()).toEqual(Object.keys(profile).sort())
  expect(Object.keys(CONFIGURATION).sort()).toEqual(Object.keys(profile.configuration).sort())
})

/** What each rule of a hypervisor can be. */
const HYPERVISOR_VALUES: {
  readonly [Rule in Exclude<keyof Hypervisor, 'name' | 'summary'>]: readonly Hypervisor[Rule][]
} = {
  virtioDma: ['bypass', 'as-offered', 'platform', 'platform-but-on-power'],
  platformDma: [false, true],
  accessPlatform: ['never', 'property', 'always', 'always-but-on-power'],
  insists: ['version-1', 'behind-iommu', 'never'],
  virtioInterface: ['as-described', 'legacy'],
  tells: ['nothing', 'prog-if', 'config-bit', 'property', 'version', 'property-and-version'],
  dmarScopes: ['explicit', 'include-all'],
  assignedDma: ['platform', 'bypass'],
}

interface HypervisorTrial extends Trial {
  readonly guest: string
}

/** Kernels and machines of which the rules of a hypervisor decide something. The machines are QEMU's, whose rules are exchanged. */
const HYPERVISOR_TRIALS: readonly HypervisorTrial[] = [
  ...[
    'linux-6.12',
    'linux-4.4',
    'always-dma-api',
    'platform-dma-two-bits',
    'bypass-prog-if',
    'bypass-config-bit',
    'bypass-property-version',
  ].map((guest) => ({ guest, ...on(VTD) })),
  { guest: 'linux-6.12', ...on(ASKING) },
  { guest: 'linux-4.4', ...on(ASKING) },
  { guest: 'bypass-property', ...on('qemu/pseries/on/virtio-blk') },
  { guest: 'linux-6.12', ...on('qemu/x86-vtd/uncovered/virtio-blk') },
  { guest: 'linux-6.12', ...on('qemu/x86-vtd/on/assigned') },
  { guest: 'linux-4.4', ...on('qemu/x86/none/virtio-blk') },
]

/**
 * Rules that another one leaves nothing to decide: a legacy interface has no feature bits above 31 to offer, and nobody
 * declines what was never offered.
 */
const isMoot = (rule: string, { virtioInterface, accessPlatform }: Hypervisor): boolean =>
  (virtioInterface === 'legacy' && ['accessPlatform', 'platformDma', 'insists'].includes(rule)) ||
  (rule === 'insists' && accessPlatform === 'never')

describe.each(HYPERVISORS)('of $name', { timeout: 60_000 }, (hypervisor) => {
  const before = remembered((trial: HypervisorTrial) => outcome(trial, trial.guest, hypervisor))

  it.each(Object.entries(HYPERVISOR_VALUES))(
    '%s decides something, or another rule leaves it nothing',
    (rule, values) => {
      const others = values.filter((value) => value !== hypervisor[rule as keyof Hypervisor])
      const decided = others.some((value) =>
        decides(HYPERVISOR_TRIALS, before, (trial) => outcome(trial, trial.guest, { ...hypervisor, [rule]: value })),
      )
      expect(decided).toBe(!isMoot(rule, hypervisor))
    },
  )
})

it('every rule of a hypervisor is tried', () => {
  for (const one of HYPERVISORS) {
    expect([...Object.keys(HYPERVISOR_VALUES), ...NO_RULE.hypervisor].sort()).toEqual(Object.keys(one).sort())
  }
})

it('a rule that is exchanged for itself changes nothing', () => {
  const profile = parseGuest('linux-6.12')
  for (const { guest, ...trial } of HYPERVISOR_TRIALS) {
    expect(outcome(trial, parseGuest(guest), { ...(HYPERVISORS[0] as Hypervisor) })).toEqual(outcome(trial, guest))
  }
  expect(outcome(on(VTD), { ...profile })).toEqual(outcome(on(VTD), 'linux-6.12'))
})
