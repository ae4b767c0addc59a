import { highWord, lowWord } from '@dmascope/layout'
import type { AllocatedMessages, MessageDomain } from '../interrupts/message-domain.ts'
import type { Vector, Vectors } from '../interrupts/vectors.ts'
import type { IommuSubsystem } from '../iommu/contract.ts'
import { dmaAliases } from '../iommu/groups/dma-alias.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { ArmPlatform, MessageControllerPlace } from './arm-platform.ts'
import type { ControllerMessages, MessageController } from './message-controller.ts'

interface Made {
  readonly controller: MessageController
  readonly deviceId: number
  readonly messages: ControllerMessages
}

/**
 * Messages of PCI functions on Arm: writes to a doorbell in memory, which an IOMMU on the way translates, so that its
 * driver is asked where the doorbell is for the device (`iommu_dma_prepare_msi`).
 */
export class ArmMessages implements MessageDomain {
  readonly #platform: ArmPlatform
  readonly #controllers: ReadonlyMap<MessageControllerPlace, MessageController>
  readonly #vectors: Vectors
  readonly #iommu: IommuSubsystem
  readonly #off: boolean
  readonly #made = new Map<AllocatedMessages, Made>()

  /** @param off - `pci=nomsi` */
  constructor(
    platform: ArmPlatform,
    controllers: ReadonlyMap<MessageControllerPlace, MessageController>,
    vectors: Vectors,
    iommu: IommuSubsystem,
    off: boolean,
  ) {
    this.#platform = platform
    this.#controllers = controllers
    this.#vectors = vectors
    this.#iommu = iommu
    this.#off = off
  }

  allocate(fn: PciFunction, count: number): AllocatedMessages | string {
    if (this.#off) return 'pci=nomsi'
    // Messages arrive with the ID that the last alias gives them.
    const requester = dmaAliases(fn).at(-1)!.requester
    const route = this.#platform.routeMessages(fn.segment, requester)
    const controller = route === null ? undefined : this.#controllers.get(route.controller)
    if (route === null || controller === undefined) return 'the device has no MSI domain'
    const messages = controller.allocate(route.deviceId, count)
    if (typeof messages === 'string') return messages
    const doorbell = this.#iommu.doorbell ? this.#iommu.doorbell(fn, messages.doorbell) : messages.doorbell
    const vectors: Vector[] = []
    for (const intid of messages.intids) {
      const vector = this.#vectors.claim(intid, 'edge')
      if (vector !== null) vectors.push(vector)
    }
    if (doorbell === null || vectors.length < count) {
      for (const vector of vectors) this.#vectors.release(vector)
      controller.release(route.deviceId, messages)
      return doorbell === null ? 'the IOMMU has no address for the doorbell' : 'an interrupt number is taken twice'
    }
    const allocated = {
      vectors,
      messages: messages.data.map((data) => ({ hi: highWord(doorbell), lo: lowWord(doorbell), data })),
    }
    this.#made.set(allocated, { controller, deviceId: route.deviceId, messages })
    return allocated
  }

  isolates(fn: PciFunction): boolean {
    const route = this.#platform.routeMessages(fn.segment, dmaAliases(fn).at(-1)!.requester)
    return route !== null && this.#controllers.get(route.controller)?.isolates === true
  }

  release(_fn: PciFunction, allocated: AllocatedMessages): void {
    for (const vector of allocated.vectors) this.#vectors.release(vector)
    const made = this.#made.get(allocated)
    if (made === undefined) return
    this.#made.delete(allocated)
    made.controller.release(made.deviceId, made.messages)
  }
}
