import type { ConfigSpace } from '@dmascope/pci'
import { CAPABILITY_HEADER, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'

const { CAP_ID, NEXT_PTR } = CAPABILITY_HEADER.registers

/** Where a capability stands in the first 256 bytes of configuration space; 0 where there is none. */
export function findCapability(config: ConfigSpace, id: number): number {
  let at = config.peek(PCI_HEADER_TYPE0.registers.CAPABILITIES_POINTER.offset, 1) & 0xfc
  for (let steps = 0; at !== 0 && steps < 48; steps++) {
    if (config.peek(at + CAP_ID.offset, 1) === id) return at
    at = config.peek(at + NEXT_PTR.offset, 1) & 0xfc
  }
  return 0
}
