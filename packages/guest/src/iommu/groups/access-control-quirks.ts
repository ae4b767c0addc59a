import { PCIE_DOWNSTREAM_PORT, PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT, PCIE_ROOT_PORT } from '@dmascope/pci/spec'
import type { PciDevice } from '../contract.ts'

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
  /** A root port with its ACS control register at another offset: enabled where the kernel asks for ACS. */
  | 'root port with ACS on request'

interface AccessControlQuirk {
  readonly vendor: number
  /** First and last device ID of each range. */
  readonly devices: readonly (readonly [number, number])[]
  readonly rule: Rule
}

const one = (...ids: readonly number[]): readonly (readonly [number, number])[] => ids.map((id) => [id, id])
const ANY: readonly (readonly [number, number])[] = [[0, 0xffff]]

/**
 * Linux's `pci_dev_acs_enabled` (drivers/pci/quirks.c), in its order: the first that applies decides. Left out: AMD's
 * southbridges, which count beside an IVRS only, and devices that later kernels than 6.12 added.
 */
const QUIRKS: readonly AccessControlQuirk[] = [
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
  { vendor: 0x17cb, devices: one(0x0400, 0x0401), rule: 'isolated' },
  { vendor: 0x1dbf, devices: one(0x0401), rule: 'isolated' },
  // Root ports of Intel PCHs, from Ibex Peak to the 9 series, and of the 100 and 200 series.
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
  {
    vendor: 0x8086,
    devices: [
      [0xa110, 0xa11f],
      [0xa167, 0xa16a],
      [0xa290, 0xa29f],
      [0xa2e7, 0xa2ee],
      [0x9d10, 0x9d1b],
    ],
    rule: 'root port with ACS on request',
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
  { vendor: 0x14e4, devices: [...one(0x16d7), [0x1750, 0x1752], ...one(0xd714)], rule: 'isolated' },
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
  { vendor: 0x1d17, devices: [[0x0710, 0x071e], ...one(0x0721), [0x0723, 0x0752]], rule: 'isolated port' },
  // Wangxun.
  { vendor: 0x8088, devices: [[0x0100, 0x010f], ...one(0x1001, 0x2001)], rule: 'isolated' },
]

/** What a rule says of a device; null where it does not apply to it. */
function verdict(rule: Rule, { pcieType, acs }: PciDevice, requested: boolean): boolean | null {
  switch (rule) {
    case 'isolated':
      return true
    case 'isolated root port':
      return pcieType === PCIE_ROOT_PORT ? true : null
    case 'isolated port':
      return pcieType === PCIE_ROOT_PORT || pcieType === PCIE_DOWNSTREAM_PORT ? true : null
    case 'isolated integrated endpoint':
      return pcieType === PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT ? true : null
    case 'root port isolated on request':
      return pcieType === PCIE_ROOT_PORT ? requested : null
    case 'root port with ACS on request':
      return pcieType === PCIE_ROOT_PORT && acs !== null ? requested : null
  }
}

/**
 * Whether a device is known to be isolated from its peers, or known not to be; null where its registers tell.
 *
 * @param requested - the kernel asked for ACS as it enumerated
 */
export function knownIsolation(device: PciDevice, requested: boolean): boolean | null {
  for (const { vendor, devices, rule } of QUIRKS) {
    if (vendor !== device.vendorId) continue
    if (!devices.some(([first, last]) => device.deviceId >= first && device.deviceId <= last)) continue
    const known = verdict(rule, device, requested)
    if (known !== null) return known
  }
  return null
}
