import type { CpuBus } from '@dmascope/memory/contracts'
import { COMMAND, MEMORY_BAR, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import type { PciConfig } from '../pci/config-access.ts'
import type { FoundFunction } from '../pci/functions.ts'
import {
  AHCI_BAR,
  AHCI_HOST,
  AHCI_MAX_PORTS,
  AHCI_PORT,
  AHCI_PORT_BYTES,
  AHCI_PORTS_AT,
  AHCI_PxCMD,
  CLASS_STORAGE_SATA,
} from '../spec/ahci.ts'

const { COMMAND: COMMAND_REGISTER, BAR0 } = PCI_HEADER_TYPE0.registers
const { PI } = AHCI_HOST.registers
const { PxCLB, PxCLBU, PxFB, PxFBU, PxCMD } = AHCI_PORT.registers
const { FRE } = AHCI_PxCMD.fields
/** Memory that firmware uses while it looks for drives, and gives back: the command list, and received FISes. */
const COMMAND_LIST = 0x6_0000
const RECEIVED_FIS = 0x6_0400

export const isAhci = ({ classCode }: FoundFunction): boolean => classCode === CLASS_STORAGE_SATA

/**
 * Looks at each port of an AHCI controller as SeaBIOS does: gives it memory, lets it receive, and, where no drive is
 * there, stops it again.
 *
 * @returns null; else the port that gives up its memory, since its DMA is refused: SeaBIOS on QEMU comes no further
 */
export function scanAhci(bus: CpuBus, config: PciConfig, { id }: FoundFunction): string | null {
  const bar = config.read32(id, BAR0.offset + 4 * AHCI_BAR)
  const base = MEMORY_BAR.fields.BASE.get(bar)
  if (MEMORY_BAR.fields.IO.get(bar) !== 0 || base === 0) return null
  const { BUS_MASTER_ENABLE, MEMORY_SPACE_ENABLE } = COMMAND.fields
  config.set16(id, COMMAND_REGISTER.offset, BUS_MASTER_ENABLE.loMask | MEMORY_SPACE_ENABLE.loMask)
  const implemented = bus.read32(base + PI.offset)
  for (let port = 0; port < AHCI_MAX_PORTS; port++) {
    if (((implemented >>> port) & 1) === 0) continue
    const at = base + AHCI_PORTS_AT + port * AHCI_PORT_BYTES
    bus.write32(at + PxCLB.offset, COMMAND_LIST)
    bus.write32(at + PxCLBU.offset, 0)
    bus.write32(at + PxFB.offset, RECEIVED_FIS)
    bus.write32(at + PxFBU.offset, 0)
    const before = bus.read32(at + PxCMD.offset)
    bus.write32(at + PxCMD.offset, before | FRE.loMask)
    // Interrupts are masked: to ask for one is to let the machine run.
    bus.nextInterrupt()
    const started = (bus.read32(at + PxCMD.offset) & FRE.loMask) !== 0
    bus.write32(at + PxCMD.offset, before & ~FRE.loMask)
    bus.nextInterrupt()
    if (!started) return `port ${port} does not start: its DMA to 0x${RECEIVED_FIS.toString(16)} is refused`
  }
  return null
}
