import type { IommuSubsystem, MsiMessage } from '../iommu/contract.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { AllocatedMessages, MessageDomain } from './message-domain.ts'
import type { Vector, Vectors } from './vectors.ts'

/** Messages to local APICs, remapped where the IOMMU code says so. */
export class ApicMessages implements MessageDomain {
  readonly #vectors: Vectors
  readonly #iommu: IommuSubsystem

  constructor(vectors: Vectors, iommu: IommuSubsystem) {
    this.#vectors = vectors
    this.#iommu = iommu
  }

  allocate(fn: PciFunction, count: number): AllocatedMessages | string {
    const vectors: Vector[] = []
    const messages: MsiMessage[] = []
    let failure: string | null = null
    for (let index = 0; index < count && failure === null; index++) {
      const vector = this.#vectors.allocate('edge')
      if (vector === null) {
        failure = 'no interrupt vector is free'
        break
      }
      vectors.push(vector)
      const message = this.#iommu.msiMessage(fn, index, vector.number)
      if (message === null) failure = 'the device has no MSI domain'
      else messages.push(message)
    }
    if (failure === null) return { vectors, messages }
    for (const vector of vectors) this.#vectors.release(vector)
    return failure
  }

  release(_fn: PciFunction, { vectors }: AllocatedMessages): void {
    for (const vector of vectors) this.#vectors.release(vector)
  }
}
