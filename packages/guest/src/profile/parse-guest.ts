import { DmascopeError, nearestName } from '@dmascope/layout'
import { SRIOV_DRIVERS } from './drivers.ts'
import { type GuestProfile, isBefore } from './guest-profile.ts'
import { parseSriov, type SriovRequest } from './parse-sriov.ts'
import { PROFILES } from './profiles.ts'

const OPTIONS = [
  'without',
  'iova',
  'restricted',
  'whitelist',
  'assign',
  'firmware-regions',
  'sriov',
  'command-line-devices',
  'restricted-pools',
  'bus-windows',
  'cache-maintenance',
  'ahead-flush',
  'write-drain',
]
const IOVA_ORDERS = ['top-down', 'bottom-up'] as const
const FIRMWARE_REGIONS = ['honour', 'ignore'] as const
/** Programs that a boot gives devices to, and devices of each. */
const MOST_ASSIGNED = 64
const MOST_SRIOV = 256
/** Drivers that are no modules: without them it is another kernel. */
const BUILT_IN = { intel_iommu: 'intelIommu', amd_iommu: 'amdIommu' } as const
const SWITCH = ['on', 'off'] as const
const PCI_ID = /^([0-9a-f]{4}):([0-9a-f]{4})$/i

/** What a guest can be asked for, for a command line's help. */
export interface GuestListing {
  readonly profiles: readonly { readonly name: string; readonly summary: string; readonly virtioDmaRule: string }[]
  readonly options: readonly { readonly name: string; readonly values: readonly string[]; readonly summary: string }[]
}

const modulesOf = (profiles: readonly Pick<GuestProfile, 'drivers'>[]): string[] => [
  ...new Set(profiles.flatMap(({ drivers }) => drivers.flatMap(({ module }) => module ?? []))),
]

export function listGuests(): GuestListing {
  return {
    profiles: PROFILES.map(({ name, summary, virtioDma }) => ({ name, summary, virtioDmaRule: virtioDma.name })),
    options: [
      {
        name: 'without',
        values: [...modulesOf(PROFILES), ...Object.keys(BUILT_IN)],
        summary:
          'Leaves a module of the kernel out, as if it were not installed, or a driver for IOMMUs that is built in. May be repeated.',
      },
      {
        name: 'iova',
        values: IOVA_ORDERS,
        summary: 'Takes I/O virtual addresses from the top down (Linux) or from the bottom up.',
      },
      {
        name: 'sriov',
        values: ['all', '00:03.0', '00:03.0/2'],
        summary:
          'Enables virtual functions of a device, so many or as many as it can have, or of all devices, and loads igb and igbvf for them. May be repeated.',
      },
      {
        name: 'assign',
        values: ['00:04.0', '00:04.0+00:05.0'],
        summary: "Gives a device, or several, to a user's program by VFIO once all was tested. May be repeated.",
      },
      {
        name: 'firmware-regions',
        values: FIRMWARE_REGIONS,
        summary:
          'Maps the regions that firmware wants mapped onto themselves (RMRR, IVMD), as Linux does, or forgets them.',
      },
      {
        name: 'command-line-devices',
        values: SWITCH,
        summary:
          'Is built with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES, which Debian leaves out: virtio_mmio.device= makes devices.',
      },
      {
        name: 'restricted-pools',
        values: SWITCH,
        summary:
          'Is built with CONFIG_DMA_RESTRICTED_POOL, which Debian leaves out: keeps devices in the pool that a device tree names. Of 6.1 and later.',
      },
      {
        name: 'bus-windows',
        values: SWITCH,
        summary:
          'The DMA API gives devices the addresses by which their bus sees memory (dma-ranges), as Linux does, or takes them all for memory’s own.',
      },
      {
        name: 'cache-maintenance',
        values: SWITCH,
        summary:
          'The DMA API writes back and forgets cache lines for devices that are not coherent, as Linux does, or takes all for coherent.',
      },
      {
        name: 'ahead-flush',
        values: SWITCH,
        summary:
          'The DMA API undoes what a BMIPS processor has read ahead while a device wrote, as Linux does, or leaves that to chance.',
      },
      {
        name: 'write-drain',
        values: SWITCH,
        summary: 'The DMA API waits for the processor’s writes to arrive, where the platform needs that, or does not.',
      },
      {
        name: 'restricted',
        values: SWITCH,
        summary: 'Most of memory is closed to devices: takes no virtio device without VERSION_1 and ACCESS_PLATFORM.',
      },
      {
        name: 'whitelist',
        values: ['1af4:1042'],
        summary:
          'PCI vendor and device ID of a device that iommu-flag-or-refuse is to take all the same. May be repeated.',
      },
    ],
  }
}

const unknown = (code: string, what: string, got: string, known: readonly string[], text: string): DmascopeError => {
  const near = nearestName(got, known)
  const hint = near === null ? '; ' : `; did you mean ${near}? `
  return new DmascopeError(code, `guest "${text}": unknown ${what} "${got}"${hint}known are ${known.join(', ')}`, {
    text,
    got,
    nearest: near,
    known,
  })
}

/**
 * `linux-6.12,without=virtio_iommu,iova=bottom-up`: a profile's name, then options in any order.
 *
 * @throws DmascopeError GUEST_PROFILE, GUEST_OPTION or GUEST_OPTION_VALUE, naming the nearest known one
 */
export function parseGuest(text: string): GuestProfile {
  const [name = '', ...options] = text.split(',').map((part) => part.trim())
  const base = PROFILES.find((one) => one.name === name)
  if (base === undefined) {
    throw unknown(
      'GUEST_PROFILE',
      'profile',
      name,
      PROFILES.map((one) => one.name),
      text,
    )
  }
  let iovaOrder = base.iovaOrder
  let restrictedMemory = base.restrictedMemory
  const whitelist: { vendor: number; device: number }[] = []
  let { firmwareRegions, configuration, busWindows, cacheMaintenance, aheadFlush, writeDrain } = base
  const without: string[] = []
  const sriov: SriovRequest[] = []
  const assign: string[][] = []
  for (const option of options) {
    const equals = option.indexOf('=')
    const key = equals < 0 ? option : option.slice(0, equals)
    const value = equals < 0 ? '' : option.slice(equals + 1)
    switch (key) {
      case 'iova': {
        const order = IOVA_ORDERS.find((one) => one === value)
        if (order === undefined) throw unknown('GUEST_OPTION_VALUE', 'IOVA order', value, IOVA_ORDERS, text)
        iovaOrder = order
        break
      }
      case 'command-line-devices': {
        const state = SWITCH.find((one) => one === value)
        if (state === undefined) throw unknown('GUEST_OPTION_VALUE', `value of ${key}`, value, SWITCH, text)
        configuration = { ...configuration, virtioMmioCommandLine: state === 'on' }
        break
      }
      case 'restricted-pools': {
        const state = SWITCH.find((one) => one === value)
        if (state === undefined) throw unknown('GUEST_OPTION_VALUE', `value of ${key}`, value, SWITCH, text)
        if (state === 'on' && isBefore(base, '6.1')) {
          throw new DmascopeError(
            'GUEST_OPTION_VALUE',
            `guest "${text}": Linux ${base.kernel} has no CONFIG_DMA_RESTRICTED_POOL, which came with 5.15; leave restricted-pools=on out, or take linux-6.1 or later`,
            { text, kernel: base.kernel },
          )
        }
        configuration = { ...configuration, restrictedPools: state === 'on' }
        break
      }
      case 'bus-windows':
      case 'cache-maintenance':
      case 'ahead-flush':
      case 'write-drain': {
        const state = SWITCH.find((one) => one === value)
        if (state === undefined) throw unknown('GUEST_OPTION_VALUE', `value of ${key}`, value, SWITCH, text)
        if (key === 'bus-windows') busWindows = state === 'on'
        else if (key === 'write-drain') writeDrain = state === 'on'
        else if (key === 'ahead-flush') aheadFlush = state === 'on'
        else cacheMaintenance = state === 'on'
        break
      }
      case 'restricted': {
        const state = SWITCH.find((one) => one === value)
        if (state === undefined) throw unknown('GUEST_OPTION_VALUE', 'value of restricted', value, SWITCH, text)
        restrictedMemory = state === 'on'
        break
      }
      case 'whitelist': {
        const [, vendor, device] = PCI_ID.exec(value) ?? []
        if (vendor === undefined || device === undefined) {
          throw new DmascopeError(
            'GUEST_OPTION_VALUE',
            `guest "${text}": whitelist=${value} is no PCI ID; write vendor and device in hexadecimal, such as whitelist=1af4:1042`,
            { text, got: value },
          )
        }
        whitelist.push({ vendor: Number.parseInt(vendor, 16), device: Number.parseInt(device, 16) })
        break
      }
      case 'sriov':
        if (sriov.length === MOST_SRIOV) throw tooMany(`more than ${MOST_SRIOV} sriov= options`, text)
        sriov.push(parseSriov(value, text))
        break
      case 'without': {
        // The kernel holds '-' and '_' for the same letter in module names.
        const known = [...modulesOf([base, { drivers: SRIOV_DRIVERS }]), ...Object.keys(BUILT_IN)]
        const module = known.find((one) => sameModule(one, value))
        if (module === undefined) throw unknown('GUEST_OPTION_VALUE', 'module', value, known, text)
        without.push(module)
        if (module in BUILT_IN) configuration = { ...configuration, [BUILT_IN[module as keyof typeof BUILT_IN]]: false }
        break
      }
      case 'assign': {
        if (assign.length === MOST_ASSIGNED) throw tooMany(`more than ${MOST_ASSIGNED} assign= options`, text)
        assign.push(parseDevices(value, text))
        break
      }
      case 'firmware-regions': {
        const choice = FIRMWARE_REGIONS.find((one) => one === value)
        if (choice === undefined) throw unknown('GUEST_OPTION_VALUE', 'choice', value, FIRMWARE_REGIONS, text)
        firmwareRegions = choice
        break
      }
      default:
        throw unknown('GUEST_OPTION', 'option', key, OPTIONS, text)
    }
  }
  return {
    ...base,
    text,
    configuration,
    iovaOrder,
    assign,
    firmwareRegions,
    busWindows,
    cacheMaintenance,
    aheadFlush,
    writeDrain,
    restrictedMemory,
    whitelist,
    without,
    sriov,
    drivers: [...base.drivers, ...(sriov.length > 0 ? SRIOV_DRIVERS : [])].filter(
      ({ module }) => module === null || !without.includes(module),
    ),
  }
}

const tooMany = (what: string, text: string): DmascopeError =>
  new DmascopeError('GUEST_OPTION_VALUE', `guest "${text}": ${what}`, { text })

/** `00:04.0+00:05.0`, segments given or not. */
function parseDevices(value: string, text: string): string[] {
  const parts = value.split('+')
  if (parts.length > MOST_ASSIGNED) throw tooMany(`more than ${MOST_ASSIGNED} devices for one program`, text)
  const devices = parts.map((part) => {
    const [, segment = '0000', bus, slot, fn] =
      /^(?:([0-9a-f]{4}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/.exec(part.trim().toLowerCase()) ?? []
    if (bus !== undefined) return `${segment}:${bus}:${slot}.${fn}`
    throw new DmascopeError(
      'GUEST_OPTION_VALUE',
      `guest "${text}": assign= takes addresses of PCI functions, such as 00:04.0 or 00:04.0+00:05.0, got "${part}"`,
      { text, got: part },
    )
  })
  return [...new Set(devices)]
}

const sameModule = (a: string, b: string): boolean => a.replaceAll('-', '_') === b.replaceAll('-', '_')
