import { PCIE_DOWNSTREAM_PORT, PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT, PCIE_ROOT_PORT } from '@dmascope/pci/spec'
import type { PciDevice } from '../contract.ts'
import { isMultifunction } from './multifunction.ts'

/** What of the kernel and the platform bears on isolation. */
export interface IsolationFacts {
  /** The kernel asked for ACS as it enumerated: what a capability offers is enabled then. */
  readonly acsRequested: boolean
  /** Firmware has an IVRS: the machine is AMD's, and has its IOMMU. */
  readonly ivrs: boolean
}

/** What is known of a device's isolation, whatever its registers say. */
type Rule =
  /** Its functions do not talk to one another, or its ports to their peers. */
  | 'isolated'
  /** Only a root port with one of these IDs is. */
  | 'isolated root port'
  /** Only a root port or downstream port with one of these IDs is. */
  | 'isolated port'
  /** Only a device that is integrated into the root complex is. */
  | 'isolated integrated endpoint'
  /** A root port whose chipset the kernel makes isolate, where it asks for ACS. */
  | 'root port isolated on request'
  /** Only a function of several on the root bus is, of a machine with an AMD IOMMU. */
  | 'isolated southbridge function'
  /** It is not, or a port of these is not, even where it says that it is. */
  | 'open'
  | 'open port'

interface AccessControlQuirk {
  readonly vendor: number
  /** First and last device ID of each range. */
  readonly devices: readonly (readonly [number, number])[]
  readonly rule: Rule
}

const one = (...ids: readonly number[]): readonly (readonly [number, number])[] => ids.map((id) => [id, id])
const ANY: readonly (readonly [number, number])[] = [[0, 0xffff]]

/**
 * Linux's `pci_dev_acs_enabled` (drivers/pci/quirks.c), in its order: the first that applies decides. The 132 entries
 * that the kernels of both profiles have: 6.1.176 and 6.12.107 have the same. Intel's ports with ACS control at another
 * offset are not among them: enumeration reads it where it is.
 */
const QUIRKS: readonly AccessControlQuirk[] = [
  // AMD's southbridges: SMBus, IDE, audio, LPC, PCI bridge and USB.
  {
    vendor: 0x1002,
    devices: one(0x4385, 0x439c, 0x4383, 0x439d, 0x4384, 0x4399),
    rule: 'isolated southbridge function',
  },
  { vendor: 0x1022, devices: one(0x780f, 0x7809), rule: 'isolated southbridge function' },
  // Solarflare.
  { vendor: 0x1924, devices: one(0x0903, 0x0923, 0x0a03), rule: 'isolated' },
  // Intel 82598, 82599 and X540.
  {
    vendor: 0x8086,
    devices: [
      ...one(0x10c6, 0x10db, 0x10dd, 0x10e1, 0x10f1),
      [0x10f7, 0x10fc],
      ...one(0x1507, 0x1514, 0x151c, 0x1529, 0x152a, 0x154d, 0x154f, 0x1551, 0x1558),
    ],
    rule: 'isolated',
  },
  // Intel 82580.
  { vendor: 0x8086, devices: [...one(0x1509), [0x150e, 0x1511], ...one(0x1516, 0x1527)], rule: 'isolated' },
  // Intel 82576, which QEMU's igb is, and 82575.
  {
    vendor: 0x8086,
    devices: [...one(0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x150a, 0x150d, 0x1518, 0x1526), ...one(0x10a7, 0x10a9, 0x10d6)],
    rule: 'isolated',
  },
  // Intel I350, 82571 and I219.
  {
    vendor: 0x8086,
    devices: [[0x1521, 0x1524], [0x105e, 0x1060], ...one(0x10d9), [0x15b7, 0x15b8]],
    rule: 'isolated',
  },
  // Peer-to-peer of Intel's integrated endpoints is for translated addresses only (VT-d 4.1, peer-to-peer).
  { vendor: 0x8086, devices: ANY, rule: 'isolated integrated endpoint' },
  // Qualcomm and HXT root ports.
  { vendor: 0x17cb, devices: one(0x0400, 0x0401, 0x0115, 0x0111, 0x0120), rule: 'isolated' },
  { vendor: 0x1dbf, devices: one(0x0401), rule: 'isolated' },
  // Root ports of Intel PCHs, from Ibex Peak to the 9 series.
  {
    vendor: 0x8086,
    devices: [
      [0x3b42, 0x3b51],
      [0x1c10, 0x1c1f],
      [0x1e10, 0x1e1f],
      [0x8c10, 0x8c1f],
      [0x9c10, 0x9c1b],
      [0x9c90, 0x9c9b],
      ...one(0x1d10, 0x1d12, 0x1d14, 0x1d16, 0x1d18, 0x1d1a, 0x1d1c, 0x1d1e),
      [0x8d10, 0x8d1e],
      ...one(0x8c90, 0x8c92, 0x8c94, 0x8c96, 0x8c98, 0x8c9a, 0x8c9c, 0x8c9e),
    ],
    rule: 'root port isolated on request',
  },
  // Emulex BE3-R and Skyhawk-R.
  { vendor: 0x19a2, devices: one(0x0710), rule: 'isolated' },
  { vendor: 0x10df, devices: one(0x0720), rule: 'isolated' },
  // Cavium ThunderX root ports, and devices of several functions.
  { vendor: 0x177d, devices: [[0xa000, 0xa7ff], ...one(0xaf84, 0xb884)], rule: 'isolated root port' },
  { vendor: 0x177d, devices: one(0xa026, 0xa059, 0xa060), rule: 'isolated' },
  // X-Gene and Ampere root ports.
  { vendor: 0x10e8, devices: one(0xe004), rule: 'isolated' },
  { vendor: 0x1def, devices: [[0xe005, 0xe00c]], rule: 'isolated' },
  // Broadcom.
  { vendor: 0x14e4, devices: [...one(0x16d7), [0x1750, 0x1752], [0x1760, 0x1763], ...one(0xd714)], rule: 'isolated' },
  // Loongson root ports.
  {
    vendor: 0x0014,
    devices: one(0x3c09, 0x3c19, 0x3c29, 0x7a09, 0x7a19, 0x7a29, 0x7a39, 0x7a49, 0x7a59, 0x7a69),
    rule: 'isolated',
  },
  // Annapurna Labs root ports.
  { vendor: 0x1c36, devices: one(0x0031), rule: 'isolated root port' },
  // Zhaoxin.
  { vendor: 0x1d17, devices: one(0x3038, 0x3104, 0x9083), rule: 'isolated' },
  // Root ports of NXP's LX2 family.
  {
    vendor: 0x1957,
    devices: [
      ...[0x8d80, 0x8d88, 0x8d90, 0x8d98].map((first): readonly [number, number] => [first, first + 3]),
      ...[0x8da0, 0x8da8, 0x8db0, 0x8db8].map((first): readonly [number, number] => [first, first + 1]),
    ],
    rule: 'isolated',
  },
  // Zhaoxin's ports.
  { vendor: 0x1d17, devices: [[0x0710, 0x071e], ...one(0x0721), [0x0723, 0x0752]], rule: 'isolated port' },
  { vendor: 0x1d17, devices: ANY, rule: 'open port' },
  // Wangxun.
  {
    vendor: 0x8088,
    devices: [[0x0100, 0x010f], ...one(0x1001, 0x2001, 0x5010, 0x5025, 0x5040, 0x5110, 0x5125, 0x5140)],
    rule: 'isolated',
  },
  { vendor: 0x8088, devices: ANY, rule: 'open' },
]

/** What a rule says of a device; null where it does not apply to it. */
function verdict(rule: Rule, device: PciDevice, facts: IsolationFacts): boolean | null {
  const { pcieType } = device
  const isPort = pcieType === PCIE_ROOT_PORT || pcieType === PCIE_DOWNSTREAM_PORT
  switch (rule) {
    case 'isolated':
      return true
    case 'isolated root port':
      return pcieType === PCIE_ROOT_PORT ? true : null
    case 'isolated port':
      return isPort ? true : null
    case 'isolated integrated endpoint':
      return pcieType === PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT ? true : null
    case 'root port isolated on request':
      return pcieType === PCIE_ROOT_PORT ? facts.acsRequested : null
    case 'isolated southbridge function':
      return facts.ivrs && device.parent === null && isMultifunction(device) ? true : null
    case 'open':
      return false
    case 'open port':
      return isPort ? false : null
  }
}

/** Whether a device is known to be isolated from its peers, or known not to be; null where its registers tell. */
export function knownIsolation(device: PciDevice, facts: IsolationFacts): boolean | null {
  for (const { vendor, devices, rule } of QUIRKS) {
    if (vendor !== device.vendorId) continue
    if (!devices.some(([first, last]) => device.deviceId >= first && device.deviceId <= last)) continue
    const known = verdict(rule, device, facts)
    if (known !== null) return known
  }
  return null
}
