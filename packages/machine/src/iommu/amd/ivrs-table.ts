import { buildIvrs, IVMD_FLAGS, type Ivhd, type IvhdEntry, type Ivmd } from '@dmascope/acpi'
import { isBridge, type PciBridge, type PciSlot } from '@dmascope/pci'
import { requesterId } from '@dmascope/pci/spec'
import { qemuHeader } from '../../firmware/qemu-header.ts'
import type { FirmwareRegion } from '../../firmware-regions/firmware-region.ts'
import { IOAPIC_ID } from '../../interrupts/ioapic.ts'
import type { RootBusFacts } from '../iommu-plan.ts'
import { tableSlots } from '../table-slots.ts'

/** Where QEMU puts the registers of its AMD IOMMU. */
export const AMDVI_BASE = 0xfed8_0000
/** The I/O APIC's requester ID: 00:14.0, where AMD's southbridges have it, and nothing is here. */
export const AMDVI_IOAPIC_REQUESTER = requesterId(0, 0x14, 0)

type Pair = readonly [hi: number, lo: number]

/** What the table says of the unit itself. */
export interface IvrsFacts {
  /** Requester ID of the unit's own PCI function, and where its capability block is. */
  readonly deviceId: number
  readonly capabilityOffset: number
  readonly physicalWidth: number
  readonly interruptRemapping: boolean
  readonly x2apic: boolean
  readonly dmaTranslation: boolean
  /** Memory of the firmware's: a unity map each. */
  readonly regions?: readonly FirmwareRegion[]
  /** The Extended Feature Register and the second one, for a block of type 11h; null where there is none. */
  readonly extendedFeatures: readonly [first: Pair, second: Pair] | null
}

const HT_TUN_EN = 0x01
const IOTLB_SUP = 0x10
const PREF_SUP = 0x40
const PPR_SUP = 0x80
/** IOMMU Feature Reporting: GTSup and GASup, and no more of what is meant than fits into 32 bits. */
const FEATURE_REPORTING = 0x44
const FEATURE_XT_SUP = 0x01
/** IOMMU attributes: no host address translation. */
const HAT_DIS = 0x01
const IVINFO_EFR_SUP = 1
const IVHD_IOAPIC = 1
const { Unity, IR, IW } = IVMD_FLAGS.fields
const UNITY_READ_WRITE = Unity.loMask | IR.loMask | IW.loMask

/** QEMU's have no bits above 52. */
const imageOf = ([hi, lo]: Pair): number => hi * 0x1_0000_0000 + lo

/** QEMU's `build_amd_iommu`: a block of type 10h, from 11.1 on one of type 11h as well, with the same entries. */
export function ivrsTable(roots: readonly RootBusFacts[], facts: IvrsFacts): Uint8Array {
  const { deviceId, capabilityOffset, physicalWidth, interruptRemapping, extendedFeatures, regions = [] } = facts
  const { x2apic, dmaTranslation } = facts
  const entries = entriesOf(roots)
  if (interruptRemapping) {
    entries.push({
      kind: 'special',
      reserved: 0,
      dteSetting: 0,
      handle: IOAPIC_ID,
      sourceDeviceId: AMDVI_IOAPIC_REQUESTER,
      variety: IVHD_IOAPIC,
    })
  }
  const unit = { deviceId, capabilityOffset, iommuBaseAddress: AMDVI_BASE, pciSegmentGroup: 0, iommuInfo: 0, entries }
  const first: Ivhd = {
    kind: 'IVHD-10h',
    flags: HT_TUN_EN | IOTLB_SUP | PREF_SUP | PPR_SUP,
    iommuFeatureReporting: x2apic ? FEATURE_REPORTING | FEATURE_XT_SUP : FEATURE_REPORTING,
    ...unit,
  }
  const second: Ivhd | null = extendedFeatures && {
    kind: 'IVHD-11h',
    flags: HT_TUN_EN | IOTLB_SUP,
    iommuAttributes: dmaTranslation ? 0 : HAT_DIS,
    efrRegisterImage: imageOf(extendedFeatures[0]),
    efr2RegisterImage: imageOf(extendedFeatures[1]),
    ...unit,
  }
  return buildIvrs({
    signature: 'IVRS',
    header: qemuHeader(1),
    IVinfo: (physicalWidth << 8) | (second === null ? 0 : IVINFO_EFR_SUP),
    blocks: [...(second === null ? [first] : [first, second]), ...regions.map(ivmd)],
  })
}

/** A unity map for the region's device, as its requests are known, to read and to write. */
const ivmd = ({ base, size, slot, segment }: FirmwareRegion): Ivmd => ({
  kind: 'IVMD-21h',
  flags: UNITY_READ_WRITE,
  deviceId: slot.sourceId,
  auxiliaryData: 0,
  pciSegmentGroup: segment,
  reserved: '000000000000',
  startAddress: base,
  memoryBlockLength: size,
})

/** Every function of the root buses that do not bypass; all devices there are where none is left. */
function entriesOf(roots: readonly RootBusFacts[]): IvhdEntry[] {
  const entries: IvhdEntry[] = []
  for (const root of roots) if (!root.bypass) for (const slot of tableSlots(root)) addEntries(entries, slot)
  return entries.length > 0 ? entries : [{ kind: 'all', deviceId: 0, dteSetting: 0 }]
}

/** QEMU's `insert_ivhd`: the function, and what is below it where it is a bridge. */
function addEntries(entries: IvhdEntry[], { function: one, requesterId: deviceId }: PciSlot): void {
  entries.push({ kind: 'select', deviceId, dteSetting: 0 })
  if (isBridge(one)) addEntriesBelow(entries, one, deviceId)
}

function addEntriesBelow(entries: IvhdEntry[], bridge: PciBridge, own: number): void {
  const { secondary, secondaryBusNumber, subordinateBusNumber } = bridge
  const start = requesterId(secondaryBusNumber, 0, 0)
  const end: IvhdEntry = { kind: 'range-end', deviceId: requesterId(subordinateBusNumber, 31, 7), dteSetting: 0 }
  // Of conventional buses no requester IDs come: they stand for that of the bridge, or the one that it makes up.
  if (!secondary.extendedConfig) {
    const alias = bridge.requesterNaming === 'secondary-bus' ? start : own
    entries.push({ kind: 'alias-range-start', deviceId: start, dteSetting: 0, sourceDeviceId: alias }, end)
  } else if (secondaryBusNumber === subordinateBusNumber) {
    entries.push({ kind: 'range-start', deviceId: start, dteSetting: 0 }, end)
  } else {
    for (const slot of secondary.slots) addEntries(entries, slot)
  }
}
