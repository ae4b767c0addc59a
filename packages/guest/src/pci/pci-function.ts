import { COMMAND, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import type { PciDevice } from '../iommu/contract.ts'
import type { Bar } from './bars.ts'
import type { Capability } from './capabilities.ts'
import type { ConfigAccess } from './config-access.ts'
import type { Sriov } from './sriov.ts'

/** A function that enumeration found, with what drivers need beyond what the IOMMU code looks at. */
export interface PciFunction extends PciDevice {
  readonly parent: PciFunction | null
  readonly bars: readonly Bar[]
  readonly capabilityList: readonly Capability[]
  /** 1 to 4 for INTA to INTD; 0 for none. */
  readonly interruptPin: number
  /** What firmware wrote for software to find; 0xff where it wrote nothing. */
  readonly interruptLine: number
  /** Of a physical function: what there is to enable. */
  readonly sriov?: Sriov
}

/** The function's BAR of this index, where it is memory or I/O and firmware placed it. */
export function placedBar(fn: PciFunction, index: number, kind?: Bar['kind']): Bar | null {
  const bar = fn.bars.find((one) => one.index === index)
  return bar === undefined || bar.base === 0 || (kind !== undefined && bar.kind !== kind) ? null : bar
}

const { COMMAND: REGISTER } = PCI_HEADER_TYPE0.registers

function setCommand(config: ConfigAccess, fn: PciDevice, set: number, clear = 0): void {
  const old = config.read(fn, REGISTER.offset, 2)
  const value = (old | set) & ~clear & 0xffff
  if (value !== old) config.write(fn, REGISTER.offset, 2, value)
}

/**
 * Turns on decoding of the function's BARs. Bridges above it are turned on first, as bus masters too: a bridge forwards
 * its children's DMA only then.
 */
export function enableDevice(config: ConfigAccess, fn: PciFunction): void {
  const { MEMORY_SPACE_ENABLE, IO_SPACE_ENABLE } = COMMAND.fields
  if (fn.parent !== null) {
    enableDevice(config, fn.parent)
    setMaster(config, fn.parent)
  }
  let decode = 0
  for (const { kind, base } of fn.bars) {
    if (base !== 0) decode |= kind === 'io' ? IO_SPACE_ENABLE.loMask : MEMORY_SPACE_ENABLE.loMask
  }
  // A bridge forwards through its windows by the same two bits, whether it has BARs of its own or not.
  if ((fn.headerType & 0x7f) === 1) decode = MEMORY_SPACE_ENABLE.loMask | IO_SPACE_ENABLE.loMask
  setCommand(config, fn, decode)
}

export function setMaster(config: ConfigAccess, fn: PciFunction): void {
  setCommand(config, fn, COMMAND.fields.BUS_MASTER_ENABLE.loMask)
}

/** Allows or forbids the function's interrupt pin. */
export function setIntx(config: ConfigAccess, fn: PciDevice, enabled: boolean): void {
  const bit = COMMAND.fields.INTERRUPT_DISABLE.loMask
  setCommand(config, fn, enabled ? 0 : bit, enabled ? bit : 0)
}
