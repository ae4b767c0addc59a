import type { PciRoute } from '@dmascope/acpi'
import type { IommuSubsystem } from '../iommu/contract.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { WireInterrupt } from '../platform/platform-device.ts'
import type { WireInterrupts } from '../platform/wire-interrupts.ts'
import type { IoApic } from './io-apic.ts'
import { type ConnectedPin, type PinInterrupts, rootPinOf } from './pin-interrupts.ts'
import type { InterruptHandler, Vector, Vectors } from './vectors.ts'

/** Where the firmware says that interrupt pins on a root bus end: its `_PRT`. */
export interface PinRoutes {
  readonly segment: number
  readonly bus: number
  readonly routes: readonly PciRoute[]
}

/** Pins of PCI functions, and wires of other devices: which input of which I/O APIC they lead to, and who shares it. */
export class LegacyInterrupts implements PinInterrupts, WireInterrupts {
  readonly #vectors: Vectors
  readonly #ioApics: readonly IoApic[]
  readonly #routes: readonly PinRoutes[]
  readonly #iommu: IommuSubsystem
  readonly #lines = new Map<number, Vector>()

  constructor(vectors: Vectors, ioApics: readonly IoApic[], routes: readonly PinRoutes[], iommu: IommuSubsystem) {
    this.#vectors = vectors
    this.#ioApics = ioApics
    this.#routes = routes
    this.#iommu = iommu
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    const { gsi, by } = routeOfPin(fn, this.#routes)
    return gsi === null ? by : this.#connect(gsi, 'level', handler, by)
  }

  connectWire({ number, trigger }: WireInterrupt, handler: InterruptHandler): ConnectedPin | string {
    return this.#connect(number, trigger, handler, `GSI ${number}`)
  }

  #connect(gsi: number, trigger: 'edge' | 'level', handler: InterruptHandler, by: string): ConnectedPin | string {
    const ioApic = this.#ioApics.find(({ gsiBase, pins }) => gsi >= gsiBase && gsi < gsiBase + pins)
    if (ioApic === undefined) return `no I/O APIC has an input for GSI ${gsi}`
    const shared = this.#lines.get(gsi)
    if (shared !== undefined) {
      shared.handlers.push(handler)
      return { gsi, vector: shared.number, by }
    }
    const pin = gsi - ioApic.gsiBase
    const vector = this.#vectors.allocate(trigger, () => ioApic.mask(pin))
    if (vector === null) return 'no interrupt vector is free'
    vector.handlers.push(handler)
    this.#lines.set(gsi, vector)
    const entry = this.#iommu.ioapicEntry(ioApic.id, pin, vector.number, trigger === 'level')
    // A remapped entry may bear an index instead: the processor's end of interrupt does not find it.
    const known = entry.lo & 0xff
    if (known !== vector.number) vector.source = { endOfInterrupt: () => ioApic.endOfInterrupt(known) }
    ioApic.program(pin, entry)
    return { gsi, vector: vector.number, by }
  }
}

/** Which interrupt a function's pin is, and how that was found; null where nothing says so. */
export function routeOfPin(
  fn: PciFunction,
  routes: readonly PinRoutes[],
): { readonly gsi: number | null; readonly by: string } {
  const { at, pin } = rootPinOf(fn)
  const table = routes.find(({ segment, bus }) => segment === at.segment && bus === at.bus)
  // INTA is 0 in a _PRT, and 1 in configuration space.
  const found = table?.routes.find((one) => one.device === at.device && one.pin === pin - 1 && one.gsi !== null)
  const name = `INT${'ABCD'[pin - 1] ?? '?'} of ${at.id}`
  if (found !== undefined) return { gsi: found.gsi, by: `_PRT: ${name} is GSI ${found.gsi}` }
  const line = fn.interruptLine
  // 0 and 255 stand for "not connected": firmware wrote nothing.
  if (line === 0 || line >= 0xff) return { gsi: null, by: `no _PRT entry for ${name}, and no Interrupt Line` }
  return { gsi: line, by: `Interrupt Line of ${fn.id} is ${line}; no _PRT entry for ${name}` }
}
