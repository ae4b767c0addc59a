import type { DmaOps } from '@dmascope/dma'
import type { Fact } from '../result.ts'
import type { IommuSubsystem, MsiMessage, PciDevice } from './contract.ts'
import { dmaOpsIn } from './group-domain.ts'
import type { IommuContext } from './iommu-context.ts'
import { plainEntry, plainMessage } from './plain-interrupts.ts'

/** A machine whose firmware tells of no IOMMU: DMA is direct, interrupts are not remapped. */
export class NoIommu implements IommuSubsystem {
  readonly acsRequested = false
  readonly iommus = []
  readonly interruptRemapping = false
  readonly panic = null
  readonly #context: IommuContext

  constructor(context: IommuContext) {
    this.#context = context
  }

  enableInterruptRemapping(): boolean {
    return false
  }

  ioapicEntry(_ioapicId: number, _pin: number, vector: number, level: boolean): { lo: number; hi: number } {
    return plainEntry(vector, level)
  }

  attachDevices(): void {}

  configure(): 'ready' {
    return 'ready'
  }

  register(): void {}

  coverage(): { readonly covered: false; readonly by: null } {
    return { covered: false, by: null }
  }

  group(): null {
    return null
  }

  domainType(): 'none' {
    return 'none'
  }

  domain(): null {
    return null
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    return dmaOpsIn(null, this.#context, device, maskBits)
  }

  msiMessage(_device: PciDevice, _index: number, vector: number): MsiMessage | null {
    return this.#context.options.noMsi ? null : plainMessage(vector)
  }

  readFaults(): readonly [] {
    return []
  }

  flushQueues(): void {}

  why(device: PciDevice): readonly Fact[] {
    return [{ fact: 'no table names an IOMMU', source: 'firmware tables' }, ...(this.#context.dma?.why?.(device) ?? [])]
  }
}
