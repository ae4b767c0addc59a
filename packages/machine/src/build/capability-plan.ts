import type { CapabilityDescription } from '@dmascope/virtio-devices'
import { capabilitiesOn } from '../catalogue/catalogue.ts'
import type { PciModel } from '../catalogue/model.ts'

/** Bodies of capabilities that only have to be there: what follows ID and next pointer. */
const PLAIN_BODY_BYTES = 6
/** A capability that stands too high for version 2 is of version 1 (QEMU's e1000e, at 0xe0). */
const EXPRESS_VERSION_2_BYTES = 0x3c
const PCIE_ENDPOINT = 0
const PCIE_RC_INTEGRATED_ENDPOINT = 9

/**
 * The capabilities that a catalogue model shows where it is plugged in, as descriptions to add. The catalogue lists
 * them as software walks the chain; QEMU links the last one added first, so conventional ones go in backwards.
 */
export function planCapabilities(
  pci: PciModel,
  bus: { readonly express: boolean; readonly root: boolean },
): CapabilityDescription[] {
  const shown = capabilitiesOn(pci, bus.express ? 'express' : 'conventional')
  const conventional = shown.filter(({ extended }) => !extended).reverse()
  const extended = shown.filter((one) => one.extended)
  return [
    ...conventional.map(({ id, offset }) => planConventional(pci, id, offset, bus.root)),
    ...extended.map(({ id, offset }) => planExtended(id, offset)),
  ]
}

function planConventional(pci: PciModel, id: number, offset: number, root: boolean): CapabilityDescription {
  switch (id) {
    case 0x01:
      return { kind: 'power-management', offset }
    case 0x05:
      return { kind: 'msi', offset, vectors: pci.msiVectors || 1 }
    case 0x10:
      return {
        kind: 'express',
        offset,
        type: root ? PCIE_RC_INTEGRATED_ENDPOINT : PCIE_ENDPOINT,
        version: offset + EXPRESS_VERSION_2_BYTES > 0x100 ? 1 : 2,
      }
    case 0x11:
      return {
        kind: 'msix',
        offset,
        vectors: pci.msixVectors,
        tableBar: pci.msixBar,
        tableOffset: msixTableOffset(pci),
      }
    default:
      return { kind: 'plain', id, offset, body: new Uint8Array(PLAIN_BODY_BYTES) }
  }
}

function planExtended(id: number, offset: number): CapabilityDescription {
  switch (id) {
    case 0x01:
      return { kind: 'aer', offset, version: 2 }
    case 0x0d:
      return { kind: 'acs', offset }
    case 0x0e:
      return { kind: 'ari', offset }
    case 0x0f:
      return { kind: 'ats', offset }
    default:
      return { kind: 'plain-extended', id, version: 1, offset, body: new Uint8Array(8) }
  }
}

/** Where the MSI-X table shares a BAR with other registers it leaves them the first half. */
function msixTableOffset(pci: PciModel): number {
  const bar = pci.bars.find(({ index }) => index === pci.msixBar)
  const first = pci.bars.find(({ kind }) => kind !== 'io')
  return bar !== undefined && bar === first ? bar.size / 2 : 0
}
