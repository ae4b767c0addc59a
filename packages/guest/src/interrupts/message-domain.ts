import type { MsiMessage } from '../iommu/contract.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { Vector } from './vectors.ts'

/** Interrupts that a function raises by messages: one vector and one message each. */
export interface AllocatedMessages {
  readonly vectors: readonly Vector[]
  readonly messages: readonly MsiMessage[]
}

/** What messages of PCI functions go to. */
export interface MessageDomain {
  /**
   * Vectors and messages for a function's own first interrupts. A text is why it has none.
   *
   * @param kind - by which of its capabilities the function is going to send them
   */
  allocate(fn: PciFunction, count: number, kind: 'msi' | 'msix'): AllocatedMessages | string
  /**
   * The function's messages can raise no interrupts but its own, whatever it writes (Linux's isolated MSI). Left out
   * where that is up to interrupt remapping.
   */
  isolates?(fn: PciFunction): boolean
  /** Gives them back. */
  release(fn: PciFunction, allocated: AllocatedMessages): void
}
