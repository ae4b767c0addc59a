import { type DeviceScopeRecord, toHex } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import { CONFIG_ADDRESS, CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'
import type { Fact } from '../../result.ts'
import type { MsiMessage, PciDevice } from '../contract.ts'
import type { IommuContext } from '../iommu-context.ts'
import { scopeText, sourceOf } from './device-scope.ts'
import type { DmarSource, DmarUnits, DrhdUnit } from './dmar-units.ts'
import {
  FROM_ANYONE,
  fromRequester,
  InterruptRemapper,
  remappableEntry,
  remappableMessage,
  type SourceCheck,
  sourceOfMessages,
} from './interrupt-remapper.ts'

interface IoApicPlace {
  readonly drhd: DrhdUnit
  readonly requester: number
}

/**
 * Interrupt remapping over all units: on for every one of them or for none. Independent of translation, and earlier:
 * Linux turns it on with the APICs, before it looks at PCI.
 */
export class VtdInterrupts {
  readonly #remappers: ReadonlyMap<DrhdUnit, InterruptRemapper>
  readonly #ioApics: ReadonlyMap<number, IoApicPlace>
  readonly #verifySources: boolean
  /** Entries by what they are for, so that setting an interrupt up again takes the same one. */
  readonly #indices = new Map<string, number>()

  private constructor(
    remappers: ReadonlyMap<DrhdUnit, InterruptRemapper>,
    ioApics: ReadonlyMap<number, IoApicPlace>,
    verifySources: boolean,
  ) {
    this.#remappers = remappers
    this.#ioApics = ioApics
    this.#verifySources = verifySources
  }

  /** Turns remapping on. @returns the reason where it stays off */
  static enable(context: IommuContext, source: DmarSource, dmar: DmarUnits): VtdInterrupts | string {
    const { bus, pages, options, log, ioApicIds = [] } = context
    if (options.interruptRemapping.off) return 'the command line turns it off'
    if (!dmar.interruptRemapping) return `${sourceOf(source, { offset: 37 })}: the platform says that it cannot`
    const able = dmar.units.filter(({ unit }) => unit.capabilities.interruptRemapping)
    if (able.length === 0) return 'no unit can (ECAP.IR is 0)'
    const ioApics = new Map<number, IoApicPlace>()
    for (const drhd of able) {
      for (const scope of drhd.record.scopes) {
        if (scope.kind !== 'ioapic' || ioApics.has(scope.enumerationId)) continue
        const requester = requesterOfScope(bus, scope)
        if (requester === null) continue
        ioApics.set(scope.enumerationId, { drhd, requester })
        log(`DMAR: I/O APIC ${scope.enumerationId} is behind ${drhd.unit.name}, as ${scopeText(scope)}`)
      }
    }
    const missing = ioApicIds.find((id) => !ioApics.has(id))
    if (missing !== undefined) return `firmware bug: no unit names I/O APIC ${missing}`
    if (able.length < dmar.units.length) return 'not every unit can (ECAP.IR)'
    const remappers = new Map<DrhdUnit, InterruptRemapper>()
    for (const drhd of dmar.units) {
      const remapper = InterruptRemapper.prepare(drhd.unit, bus, pages)
      if (remapper === null) return `${drhd.unit.name} could not be prepared`
      remappers.set(drhd, remapper)
    }
    for (const [{ unit }, remapper] of remappers) {
      if (!remapper.enable()) return `${unit.name} did not turn it on`
    }
    // x2APIC mode would need CPUs that have it; the vectors here are those of xAPIC mode.
    log('DMAR: interrupt remapping enabled, xAPIC mode')
    return new VtdInterrupts(remappers, ioApics, !options.interruptRemapping.noSourceId)
  }

  /** Null where no unit names the I/O APIC, or its unit's table is full. */
  ioApicEntry(id: number, pin: number, vector: number, level: boolean): { lo: number; hi: number } | null {
    const place = this.#ioApics.get(id)
    const remapper = place && this.#remappers.get(place.drhd)
    const index = remapper ? this.#indexFor(remapper, `I/O APIC ${id} pin ${pin}`) : null
    if (!place || !remapper || index === null) return null
    remapper.write(index, vector, this.#checked(fromRequester(place.requester)))
    return remappableEntry(index, vector, level)
  }

  /** A message for a device behind `drhd`, and what was written for it; null where the table is full. */
  message(
    device: PciDevice,
    drhd: DrhdUnit,
    number: number,
    vector: number,
  ): { readonly message: MsiMessage; readonly fact: Fact } | null {
    const remapper = this.#remappers.get(drhd)
    const index = remapper ? this.#indexFor(remapper, `${device.id} ${number}`) : null
    if (!remapper || index === null) return null
    const bytes = remapper.write(index, vector, this.#checked(sourceOfMessages(device)))
    const fact = {
      fact: `its interrupt ${number} goes through entry ${index} of ${drhd.unit.name}'s interrupt remapping table`,
      source: `IRTE @0x${(remapper.table + index * bytes.length).toString(16)}`,
      bytes: toHex(bytes),
    }
    return { message: remappableMessage(index), fact }
  }

  #checked(check: SourceCheck): SourceCheck {
    return this.#verifySources ? check : FROM_ANYONE
  }

  #indexFor(remapper: InterruptRemapper, purpose: string): number | null {
    const known = this.#indices.get(purpose)
    if (known !== undefined) return known
    const index = remapper.reserve()
    if (index !== null) this.#indices.set(purpose, index)
    return index
  }
}

/**
 * The requester ID of a scope, by the bus numbers that bridges have now. PCI is not enumerated yet: the kernel asks
 * configuration space directly. Null where the path makes no sense.
 */
function requesterOfScope(bus: CpuBus, scope: DeviceScopeRecord): number | null {
  let number = scope.startBusNumber
  for (const [index, step] of scope.path.entries()) {
    if (step.device > 31 || step.function > 7) return null
    const id = (number << 8) | (step.device << 3) | step.function
    if (index === scope.path.length - 1) return id
    if (bus.ports === undefined) return null
    const { offset } = PCI_HEADER_TYPE1.registers.SECONDARY_BUS_NUMBER
    bus.ports.out32(CONFIG_ADDRESS_PORT, CONFIG_ADDRESS.fields.ENABLE.setLo((id << 8) | (offset & 0xfc), 1))
    number = bus.ports.in8(CONFIG_DATA_PORT + (offset & 3))
  }
  return null
}
