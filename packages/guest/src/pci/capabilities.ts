import {
  EXTENDED_CAPABILITY_HEADER,
  PCI_CONFIG_HEADER_SIZE,
  PCI_EXT_CAP_START,
  PCI_HEADER_TYPE0,
  PCIE_CONFIG_SPACE_SIZE,
  STATUS,
} from '@dmascope/pci/spec'
import type { ConfigAccess, FunctionAddress } from './config-access.ts'

/** A capability in the order of its chain. A function may have several with one ID. */
export interface Capability {
  readonly id: number
  readonly offset: number
}

/** Capabilities are at least 4 bytes long and aligned, so that a longer chain goes in circles. Linux stops here too. */
const MAX_CAPABILITIES = (0x100 - PCI_CONFIG_HEADER_SIZE) / 4
const MAX_EXTENDED = (PCIE_CONFIG_SPACE_SIZE - PCI_EXT_CAP_START) / 8

/** The chain in the first 256 bytes; empty where Status says that there is none. Ends at the first nonsense. */
export function readCapabilities(config: ConfigAccess, at: FunctionAddress): Capability[] {
  const { STATUS: STATUS_REGISTER, CAPABILITIES_POINTER } = PCI_HEADER_TYPE0.registers
  const found: Capability[] = []
  if (STATUS.fields.CAPABILITIES_LIST.get(config.read(at, STATUS_REGISTER.offset, 2)) === 0) return found
  const seen = new Set<number>()
  let offset = config.read(at, CAPABILITIES_POINTER.offset, 1) & 0xfc
  while (offset >= PCI_CONFIG_HEADER_SIZE && found.length < MAX_CAPABILITIES && !seen.has(offset)) {
    seen.add(offset)
    const header = config.read(at, offset, 2)
    const id = header & 0xff
    if (id === 0xff) break
    found.push({ id, offset })
    offset = (header >>> 8) & 0xfc
  }
  return found
}

/** The chain from 0x100 on; empty where nothing there answers. */
export function readExtendedCapabilities(config: ConfigAccess, at: FunctionAddress): Capability[] {
  const { CAPABILITY_ID, NEXT_CAPABILITY_OFFSET } = EXTENDED_CAPABILITY_HEADER.fields
  const found: Capability[] = []
  const seen = new Set<number>()
  let offset = PCI_EXT_CAP_START
  while (offset >= PCI_EXT_CAP_START && found.length < MAX_EXTENDED && !seen.has(offset)) {
    seen.add(offset)
    const header = config.read(at, offset, 4)
    if (header === 0 || header === 0xffff_ffff) break
    found.push({ id: CAPABILITY_ID.get(header), offset })
    offset = NEXT_CAPABILITY_OFFSET.get(header) & ~3
  }
  return found
}

/** Where the first capability of each ID lies, as `pci_find_capability` would answer. */
export function firstById(capabilities: readonly Capability[]): Map<number, number> {
  const first = new Map<number, number>()
  for (const { id, offset } of capabilities) if (!first.has(id)) first.set(id, offset)
  return first
}
