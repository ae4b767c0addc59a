import {
  EXTENDED_CAPABILITY_HEADER,
  PCI_CONFIG_HEADER_SIZE,
  PCI_EXT_CAP_START,
  PCI_HEADER_TYPE0,
  PCIE_CONFIG_SPACE_SIZE,
  STATUS,
} from '@dmascope/pci/spec'
import type { CapabilityOffsets } from '../iommu/contract.ts'
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
  let offset = config.read(at, CAPABILITIES_POINTER.offset, 1) & 0xfc
  while (offset >= PCI_CONFIG_HEADER_SIZE && found.length < MAX_CAPABILITIES && !isAmong(found, offset)) {
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
  let offset = PCI_EXT_CAP_START
  while (offset >= PCI_EXT_CAP_START && found.length < MAX_EXTENDED && !isAmong(found, offset)) {
    const header = config.read(at, offset, 4)
    if (header === 0 || header === 0xffff_ffff) break
    found.push({ id: CAPABILITY_ID.get(header), offset })
    offset = NEXT_CAPABILITY_OFFSET.get(header) & ~3
  }
  return found
}

/** Whether the chain has been at this offset before. */
function isAmong(found: readonly Capability[], offset: number): boolean {
  for (let index = 0; index < found.length; index++) if (found[index]!.offset === offset) return true
  return false
}

/** Where the first capability of each ID lies, as `pci_find_capability` would answer. */
export const firstById = (capabilities: readonly Capability[]): CapabilityOffsets => new FirstOffsets(capabilities)

/** Chains are short: looking through them costs less than a map of each. */
class FirstOffsets implements CapabilityOffsets {
  readonly #chain: readonly Capability[]

  constructor(chain: readonly Capability[]) {
    this.#chain = chain
  }

  get(id: number): number | undefined {
    for (let index = 0; index < this.#chain.length; index++) {
      const one = this.#chain[index]!
      if (one.id === id) return one.offset
    }
    return undefined
  }

  has(id: number): boolean {
    return this.get(id) !== undefined
  }
}
