import {
  MSI_CAPABILITY_32,
  MSI_CAPABILITY_64,
  MSI_MESSAGE_CONTROL,
  MSIX_BAR_OFFSET,
  MSIX_CAPABILITY,
  MSIX_MESSAGE_CONTROL,
  MSIX_TABLE_ENTRY,
  MSIX_VECTOR_CONTROL,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
} from '@dmascope/pci/spec'
import type { MsiMessage, PciDevice } from '../iommu/contract.ts'
import type { Kernel } from '../kernel.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { type PciFunction, placedBar, setIntx } from '../pci/pci-function.ts'
import type { InterruptHandler, Vector } from './vectors.ts'

/** Message-signalled interrupts of one function, enabled. */
export interface MessageInterrupts {
  readonly mode: 'msix' | 'msi'
  /** Vectors of the CPU, by the function's own index. */
  readonly vectors: readonly Vector[]
  readonly messages: readonly MsiMessage[]
  /** Sets the handler, and lets the function's interrupt of this index through. */
  request(index: number, handler: InterruptHandler): void
  /** Turns them off and gives the vectors back. */
  disable(): void
}

const ENTRY = MSIX_TABLE_ENTRY.registers
const MASKED = MSIX_VECTOR_CONTROL.fields.MASK_BIT.loMask

/**
 * Enables MSI-X with `count` vectors, in Linux's order: enabled but masked as a whole, every entry masked, messages
 * written, the whole unmasked; an entry is unmasked as its interrupt is requested.
 *
 * @returns the reason where it cannot be
 */
export function enableMsix(kernel: Kernel, fn: PciFunction, count: number): MessageInterrupts | string {
  const { config, bus } = kernel
  const capability = fn.capabilities.get(PCI_CAP_ID_MSIX)
  if (capability === undefined) return 'no MSI-X capability'
  const { MESSAGE_CONTROL, TABLE_OFFSET } = MSIX_CAPABILITY.registers
  const { MSIX_ENABLE, FUNCTION_MASK, TABLE_SIZE } = MSIX_MESSAGE_CONTROL.fields
  const control = config.read(fn, capability + MESSAGE_CONTROL.offset, 2)
  const size = TABLE_SIZE.get(control) + 1
  if (count > size) return `${count} vectors wanted, the MSI-X table has ${size}`
  const location = config.read(fn, capability + TABLE_OFFSET.offset, 4)
  const bar = placedBar(fn, MSIX_BAR_OFFSET.fields.BIR.get(location), 'memory')
  const offset = MSIX_BAR_OFFSET.fields.OFFSET.get(location) * 8
  if (bar === null || offset + size * MSIX_TABLE_ENTRY.size > bar.size) return 'the MSI-X table lies outside of its BAR'
  const allocation = kernel.messages.allocate(fn, count, 'msix')
  if (typeof allocation === 'string') return allocation
  const { vectors, messages } = allocation

  const table = bar.base + offset
  const entry = (index: number): number => table + index * MSIX_TABLE_ENTRY.size
  const setControl = (value: number): void => config.write(fn, capability + MESSAGE_CONTROL.offset, 2, value)
  const enabled = MSIX_ENABLE.setLo(control, 1)
  setControl(FUNCTION_MASK.setLo(enabled, 1))
  for (let index = 0; index < size; index++) bus.write32(entry(index) + ENTRY.VECTOR_CONTROL.offset, MASKED)
  messages.forEach((message, index) => {
    bus.write32(entry(index) + ENTRY.MESSAGE_ADDRESS.offset, message.lo)
    bus.write32(entry(index) + ENTRY.MESSAGE_UPPER_ADDRESS.offset, message.hi)
    bus.write32(entry(index) + ENTRY.MESSAGE_DATA.offset, message.data)
  })
  setIntx(config, fn, false)
  setControl(FUNCTION_MASK.setLo(enabled, 0))
  return {
    mode: 'msix',
    vectors,
    messages,
    request(index, handler) {
      vectors[index]!.handlers.push(handler)
      bus.write32(entry(index) + ENTRY.VECTOR_CONTROL.offset, 0)
    },
    disable() {
      for (let index = 0; index < count; index++) bus.write32(entry(index) + ENTRY.VECTOR_CONTROL.offset, MASKED)
      setControl(FUNCTION_MASK.setLo(MSIX_ENABLE.setLo(control, 0), 0))
      setIntx(config, fn, true)
      kernel.messages.release(fn, allocation)
    },
  }
}

/**
 * Puts a message into a function's MSI capability and enables it, alone. Answers what turns it off again.
 *
 * @param capability - offset of the capability in configuration space
 */
export function writeMsi(
  config: ConfigAccess,
  fn: PciDevice,
  message: MsiMessage,
  capability = fn.capabilities.get(PCI_CAP_ID_MSI)!,
): () => void {
  const { MESSAGE_CONTROL } = MSI_CAPABILITY_32.registers
  const { ADDRESS_64_BIT_CAPABLE, MULTIPLE_MESSAGE_ENABLE, MSI_ENABLE } = MSI_MESSAGE_CONTROL.fields
  const control = MULTIPLE_MESSAGE_ENABLE.setLo(config.read(fn, capability + MESSAGE_CONTROL.offset, 2), 0)
  const wide = ADDRESS_64_BIT_CAPABLE.get(control) === 1
  const setControl = (value: number): void => config.write(fn, capability + MESSAGE_CONTROL.offset, 2, value)
  setControl(MSI_ENABLE.setLo(control, 0))
  if (wide) {
    const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS, MESSAGE_DATA } = MSI_CAPABILITY_64.registers
    config.write(fn, capability + MESSAGE_ADDRESS.offset, 4, message.lo)
    config.write(fn, capability + MESSAGE_UPPER_ADDRESS.offset, 4, message.hi)
    config.write(fn, capability + MESSAGE_DATA.offset, 2, message.data & 0xffff)
  } else {
    const { MESSAGE_ADDRESS, MESSAGE_DATA } = MSI_CAPABILITY_32.registers
    config.write(fn, capability + MESSAGE_ADDRESS.offset, 4, message.lo)
    config.write(fn, capability + MESSAGE_DATA.offset, 2, message.data & 0xffff)
  }
  setIntx(config, fn, false)
  setControl(MSI_ENABLE.setLo(control, 1))
  return () => setControl(MSI_ENABLE.setLo(control, 0))
}

/** Enables MSI with one vector. @returns the reason where it cannot be */
export function enableMsi(kernel: Kernel, fn: PciFunction): MessageInterrupts | string {
  const { config } = kernel
  const capability = fn.capabilities.get(PCI_CAP_ID_MSI)
  if (capability === undefined) return 'no MSI capability'
  const allocation = kernel.messages.allocate(fn, 1, 'msi')
  if (typeof allocation === 'string') return allocation
  const { vectors, messages } = allocation
  const turnOff = writeMsi(config, fn, messages[0]!, capability)
  return {
    mode: 'msi',
    vectors,
    messages,
    request(index, handler) {
      vectors[index]!.handlers.push(handler)
    },
    disable() {
      turnOff()
      setIntx(config, fn, true)
      kernel.messages.release(fn, allocation)
    },
  }
}
