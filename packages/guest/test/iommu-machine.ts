import { buildDmar, type Dmar, type DmarRecord, parseDmar, sdtHeader } from '@dmascope/acpi'
import type { PageAllocator } from '@dmascope/dma'
import { NO_PASID } from '@dmascope/iommu'
import { type VtdOptions, VtdUnit } from '@dmascope/iommu/vtd'
import { type CpuBus, type DmaWitness, GuestRam } from '@dmascope/memory'
import { parseBdf } from '@dmascope/pci/spec'
import type { PciDevice } from '../src/iommu/contract.ts'
import { createIommuSubsystem } from '../src/iommu/create-subsystem.ts'
import type { IommuContext } from '../src/iommu/iommu-context.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'
import { parseGuest } from '../src/profile/parse-guest.ts'

const RAM_SIZE = 0x1000_0000

/** Pages from the top of RAM down; what is freed is used again, last first. */
class TestPages implements PageAllocator {
  readonly live = new Set<number>()
  /** Pages that may still be taken. */
  budget = Number.POSITIVE_INFINITY
  readonly #ram: GuestRam
  readonly #free: number[] = []
  #next = RAM_SIZE

  constructor(ram: GuestRam) {
    this.#ram = ram
  }

  allocate(count: number): number | null {
    if (count > this.budget) return null
    this.budget -= count
    const again = count === 1 ? this.#free.pop() : undefined
    if (again === undefined) this.#next -= count * 4096
    const address = again ?? this.#next
    for (let page = 0; page < count; page++) this.live.add(address + page * 4096)
    if (again !== undefined) this.#ram.writeBytes(again, new Uint8Array(4096))
    return address
  }

  free(address: number, count: number): void {
    for (let page = 0; page < count; page++) {
      if (!this.live.delete(address + page * 4096)) throw new Error(`0x${address.toString(16)} freed twice`)
    }
    if (count === 1) this.#free.push(address)
  }
}

export interface RegisterWrite {
  readonly base: number
  readonly offset: number
  readonly value: number
}

/** RAM and remapping units on a CPU bus that records every write to a register. */
export class TestMachine {
  readonly ram = new GuestRam([{ base: 0, size: RAM_SIZE }])
  readonly pages = new TestPages(this.ram)
  readonly units = new Map<number, VtdUnit>()
  readonly writes: RegisterWrite[] = []
  readonly messages: { hi: number; lo: number; data: number }[] = []
  readonly log: string[] = []
  readonly bus: CpuBus = {
    read8: (address) => this.#read(address, 1),
    read16: (address) => this.#read(address, 2),
    read32: (address) => this.#read(address, 4),
    write8: (address, value) => this.#write(address, 1, value),
    write16: (address, value) => this.#write(address, 2, value),
    write32: (address, value) => this.#write(address, 4, value),
    readBytes: (address, into) => void this.ram.readBytes(address, into),
    writeBytes: (address, from) => void this.ram.writeBytes(address, from),
    nextInterrupt: () => -1,
    idle: () => true,
  }

  addUnit(options: Partial<VtdOptions> = {}, base = 0xfed9_0000): VtdUnit {
    const unit = new VtdUnit({
      ram: this.ram,
      raiseMsi: (hi, lo, data) => void this.messages.push({ hi, lo, data }),
      ...options,
    })
    this.units.set(base, unit)
    return unit
  }

  #unitAt(address: number): { unit: VtdUnit; base: number } | null {
    for (const [base, unit] of this.units) if (address >= base && address < base + 0x1000) return { unit, base }
    return null
  }

  #read(address: number, width: 1 | 2 | 4): number {
    const at = this.#unitAt(address)
    if (at) return at.unit.read(address - at.base, width)
    const offset = this.ram.offsetToRead(address)
    if (offset < 0) return width === 4 ? 0xffff_ffff : 2 ** (8 * width) - 1
    const { view } = this.ram
    return width === 4
      ? view.getUint32(offset, true)
      : width === 2
        ? view.getUint16(offset, true)
        : view.getUint8(offset)
  }

  #write(address: number, width: 1 | 2 | 4, value: number): void {
    const at = this.#unitAt(address)
    if (at) {
      this.writes.push({ base: at.base, offset: address - at.base, value })
      at.unit.write(address - at.base, width, value)
    } else if (width === 4) this.ram.write32(address, value)
  }

  /** The kernel's IOMMU code on this machine. */
  boot(
    tables: { readonly dmar: Dmar; readonly bytes: Uint8Array } | null,
    options: { guest?: string; append?: string } & Partial<IommuContext> = {},
  ) {
    const { guest = 'linux-6.12', append = '', ...rest } = options
    const context: IommuContext = {
      bus: this.bus,
      pages: this.pages,
      witness: NO_WITNESS,
      profile: parseGuest(guest),
      options: parseKernelCommandLine(append),
      log: (line) => this.log.push(line),
      ...rest,
    }
    return createIommuSubsystem(context, { dmar: tables && { ...tables, address: 0x0ffe_2334 } })
  }
}

const NO_WITNESS: DmaWitness = { grant: () => 0, revoke: () => {}, phase: () => {} }

/** Where a device's access ends up: an address, or the fault's reason. */
export function access(
  unit: VtdUnit,
  requester: number,
  address: number,
  kind: 1 | 2 | 3 = 1,
): { readonly to: number; readonly route: string } | { readonly fault: number } {
  const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as 'bypass' | 'translated' }
  const hi = Math.floor(address / 2 ** 32)
  const fault = unit.translate(requester, NO_PASID, 'untranslated', hi, address >>> 0, kind, out)
  return fault === 0 ? { to: out.hi * 2 ** 32 + out.lo, route: out.route } : { fault }
}

/** A function of a test's topology. `01:00.0`, and what is not said is a conventional endpoint. */
export function pci(bdf: string, more: Partial<PciDevice> = {}): PciDevice {
  const { segment, id } = parseBdf(bdf)!
  return {
    id: `0000:${bdf}`,
    segment,
    bus: id >>> 8,
    device: (id >>> 3) & 31,
    function: id & 7,
    vendorId: 0x1af4,
    deviceId: 0x1042,
    classCode: 0x01_0000,
    revision: 1,
    subsystemVendorId: 0,
    subsystemId: 0,
    headerType: 0,
    parent: null,
    pcieType: null,
    acs: null,
    capabilities: new Map(),
    extendedCapabilities: new Map(),
    ...more,
  }
}

export const requesterOf = (device: PciDevice): number => (device.bus << 8) | (device.device << 3) | device.function

const scope = (kind: 'endpoint' | 'bridge' | 'ioapic', bus: number, path: [number, number][], enumerationId = 0) => ({
  kind,
  flags: 0,
  enumerationId,
  startBusNumber: bus,
  path: path.map(([device, fn]) => ({ device, function: fn })),
})

/** `endpoint 00:03.0`, `bridge 00:02.0`, `ioapic ff:00.0`; steps below a bridge after a slash: `endpoint 00:02.0/00.0`. */
export function scopeOf(text: string, enumerationId = 0) {
  const [kind, path = ''] = text.split(' ') as ['endpoint' | 'bridge' | 'ioapic', string]
  const steps = path
    .slice(3)
    .split('/')
    .map((step) => {
      const [device = '', fn = ''] = step.split('.')
      return [Number.parseInt(device, 16), Number.parseInt(fn, 16)] as [number, number]
    })
  return scope(kind, Number.parseInt(path.slice(0, 2), 16), steps, enumerationId)
}

export const drhd = (
  scopes: readonly string[],
  more: { base?: number; flags?: number; segment?: number } = {},
): DmarRecord => ({
  kind: 'DRHD',
  flags: more.flags ?? 0,
  size: 0,
  segmentNumber: more.segment ?? 0,
  registerBaseAddress: more.base ?? 0xfed9_0000,
  scopes: scopes.map((text) => scopeOf(text)),
})

/** A table of these records, as a kernel would find it: built, and parsed from its bytes. */
export function dmarOf(records: readonly DmarRecord[], more: { width?: number; flags?: number } = {}) {
  const bytes = buildDmar({
    signature: 'DMAR',
    header: sdtHeader(1),
    hostAddressWidth: more.width ?? 47,
    flags: more.flags ?? 1,
    records: [...records],
  })
  return { dmar: parseDmar(bytes), bytes }
}

/** Parsed from bytes that no builder would make. */
export const dmarFrom = (bytes: Uint8Array) => ({ dmar: parseDmar(bytes), bytes })
