import type { ConfigSpaceOptions } from '@dmascope/pci'
import { type PlacedDevice, refusePlace } from './placed-bus.ts'

type Identity = Pick<ConfigSpaceOptions, 'vendorId' | 'deviceId' | 'classCode' | 'subsystemVendorId' | 'subsystemId'>

/** QEMU's PCI_ANY_ID: left as the device has it. */
const ANY = 0xffff_ffff

/** In the order in which QEMU looks at them: the property, the greatest value that it takes, and what it calls it. */
const FIELDS: readonly (readonly [field: keyof Identity, property: string, most: number, what: string])[] = [
  ['vendorId', 'x-pci-vendor-id', 0xfffe, 'vendor ID'],
  ['deviceId', 'x-pci-device-id', 0xffff, 'device ID'],
  ['subsystemVendorId', 'x-pci-sub-vendor-id', 0xffff, 'subsystem vendor ID'],
  ['subsystemId', 'x-pci-sub-device-id', 0xffff, 'subsystem device ID'],
  ['classCode', 'x-pci-class-code', 0xff_ffff, 'class code'],
]

/**
 * What a passed-through function shows itself as: what it is, but for what the properties say instead (QEMU's
 * `vfio_pci_config_setup`).
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function assignedIdentity(placed: PlacedDevice): Partial<Identity> {
  const shown: { -readonly [Field in keyof Identity]?: number } = {}
  for (const [field, property, most, what] of FIELDS) {
    const given = placed.properties[property]
    if (typeof given !== 'number' || given === ANY) continue
    if (given > most) throw refusePlace('MACHINE_REFUSED', placed.description, `invalid PCI ${what} provided`)
    shown[field] = given
  }
  return shown
}
