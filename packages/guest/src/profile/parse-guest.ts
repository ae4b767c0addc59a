import { DmascopeError, nearestName } from '@dmascope/layout'
import type { GuestProfile } from './guest-profile.ts'
import { PROFILES } from './profiles.ts'

const OPTIONS = ['without', 'iova', 'restricted', 'whitelist']
const IOVA_ORDERS = ['top-down', 'bottom-up'] as const
const SWITCH = ['on', 'off'] as const
const PCI_ID = /^([0-9a-f]{4}):([0-9a-f]{4})$/i

/** What a guest can be asked for, for a command line's help. */
export interface GuestListing {
  readonly profiles: readonly { readonly name: string; readonly summary: string; readonly virtioDmaRule: string }[]
  readonly options: readonly { readonly name: string; readonly values: readonly string[]; readonly summary: string }[]
}

const modulesOf = (profiles: readonly GuestProfile[]): string[] => [
  ...new Set(profiles.flatMap(({ drivers }) => drivers.flatMap(({ module }) => module ?? []))),
]

export function listGuests(): GuestListing {
  return {
    profiles: PROFILES.map(({ name, summary, virtioDma }) => ({ name, summary, virtioDmaRule: virtioDma.name })),
    options: [
      {
        name: 'without',
        values: modulesOf(PROFILES),
        summary: 'Leaves a module of the kernel out, as if it were not installed. May be repeated.',
      },
      {
        name: 'iova',
        values: IOVA_ORDERS,
        summary: 'Takes I/O virtual addresses from the top down (Linux) or from the bottom up.',
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
  const without: string[] = []
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
      case 'without': {
        // The kernel holds '-' and '_' for the same letter in module names.
        const known = modulesOf([base])
        const module = known.find((one) => sameModule(one, value))
        if (module === undefined) throw unknown('GUEST_OPTION_VALUE', 'module', value, known, text)
        without.push(module)
        break
      }
      default:
        throw unknown('GUEST_OPTION', 'option', key, OPTIONS, text)
    }
  }
  return {
    ...base,
    text,
    iovaOrder,
    restrictedMemory,
    whitelist,
    without,
    drivers: base.drivers.filter(({ module }) => module === null || !without.includes(module)),
  }
}

const sameModule = (a: string, b: string): boolean => a.replaceAll('-', '_') === b.replaceAll('-', '_')
