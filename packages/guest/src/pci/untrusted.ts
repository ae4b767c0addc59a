import { PCIE_ROOT_PORT } from '@dmascope/pci/spec'
import type { NamedDevice, PciDevice } from '../iommu/contract.ts'

/** Whether a device came from outside, so that it is kept from all memory but what it is given. */
export type IsUntrusted = (device: NamedDevice | PciDevice) => boolean

/**
 * Linux's `set_pcie_untrusted`: what is below a root port that firmware calls external-facing is not trusted.
 *
 * @param ports - as Linux names them: `0000:00:04.0`
 */
export const untrustedBelow =
  (ports: ReadonlySet<string>): IsUntrusted =>
  (device) => {
    if (!('parent' in device)) return false
    for (let above = device.parent; above !== null; above = above.parent) {
      if (above.pcieType === PCIE_ROOT_PORT && ports.has(above.id)) return true
    }
    return false
  }
