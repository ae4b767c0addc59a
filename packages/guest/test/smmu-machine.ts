import type { PageAllocator } from '@dmascope/dma'
import { NO_PASID } from '@dmascope/iommu'
import { type InterruptLine, type SmmuV3Options, SmmuV3Unit, smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import { type CpuBus, type DmaWitness, GuestRam } from '@dmascope/memory'
import { SmmuSubsystem } from '../src/iommu/arm-smmu-v3/smmu-subsystem.ts'
import type { SmmuSource, SmmuTables } from '../src/iommu/arm-smmu-v3/smmu-tables.ts'
import type { PciDevice } from '../src/iommu/contract.ts'
import type { IommuContext } from '../src/iommu/iommu-context.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'
import { parseGuest } from '../src/profile/parse-guest.ts'

export const RAM_BASE = 0x4000_0000
const RAM_SIZE = 0x1000_0000
export const SMMU_BASE = 0x0905_0000
const SMMU_SIZE = 0x2_0000
export const DOORBELL = 0x0809_0040

const SOURCE: SmmuSource = {
  name: '9050000.smmuv3',
  base: SMMU_BASE,
  coherent: true,
  source: '/smmuv3@9050000',
}

/** Everything behind the one SMMU, each requester ID its own stream: what `iommu-map = <0 &smmu 0 0x10000>` says. */
export const EVERYTHING: SmmuTables = {
  smmus: [SOURCE],
  acsRequested: false,
  streamOf: (_segment, requester) => ({
    smmu: SOURCE,
    stream: requester,
    by: 'iommu-map of /pcie@10000000',
    source: '/pcie@10000000 iommu-map',
  }),
}

/** Pages from the top of RAM down; what is freed is used again, last first. */
class TestPages implements PageAllocator {
  readonly live = new Set<number>()
  /** Pages that may still be taken. */
  budget = Number.POSITIVE_INFINITY
  readonly #ram: GuestRam
  readonly #free: number[] = []
  #next: number

  constructor(ram: GuestRam, top: number) {
    this.#ram = ram
    this.#next = top
  }

  allocate(count: number): number | null {
    if (count > this.budget || this.#next - count * 4096 < RAM_BASE) return null
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
      this.#free.push(address + page * 4096)
    }
  }
}

/** RAM and an SMMU on a CPU bus that records every access to a register. */
export class SmmuMachine {
  readonly ram = new GuestRam([{ base: RAM_BASE, size: RAM_SIZE }])
  /** Not a multiple of 1 MiB: queues must be aligned by those who need it. */
  readonly pages = new TestPages(this.ram, RAM_BASE + RAM_SIZE - 0x5000)
  readonly unit: SmmuV3Unit
  readonly writes: { readonly offset: number; readonly value: number }[] = []
  readonly interrupts: InterruptLine[] = []
  readonly log: string[] = []
  /** What reading a register answers in place of the hardware. */
  readonly lies = new Map<number, number>()
  /** A word that is to be written goes wrong, once. */
  damage: { readonly address: number; readonly value: number } | null = null
  readonly bus: CpuBus = {
    read8: (address) => (this.ram.read32(address & ~3) >>> ((address & 3) * 8)) & 0xff,
    read16: (address) => (this.ram.read32(address & ~3) >>> ((address & 3) * 8)) & 0xffff,
    read32: (address) => this.#read(address),
    write8: (address, value) => void this.ram.writeBytes(address, Uint8Array.of(value)),
    write16: (address, value) => void this.ram.writeBytes(address, Uint8Array.of(value, value >>> 8)),
    write32: (address, value) => this.#write(address, value),
    readBytes: (address, into) => void this.ram.readBytes(address, into),
    writeBytes: (address, from) => void this.ram.writeBytes(address, from),
    nextInterrupt: () => -1,
    idle: () => true,
  }

  constructor(options: Partial<SmmuV3Options> = smmuv3OptionsFor('11.1')) {
    this.unit = new SmmuV3Unit({
      ...options,
      ram: this.ram,
      raiseInterrupt: (line) => void this.interrupts.push(line),
    })
  }

  #read(address: number): number {
    const offset = address - SMMU_BASE
    if (offset < 0 || offset >= SMMU_SIZE) return this.ram.read32(address)
    return this.lies.get(offset) ?? this.unit.read(offset, 4)
  }

  #write(address: number, value: number): void {
    const offset = address - SMMU_BASE
    if (offset < 0 || offset >= SMMU_SIZE) {
      const damaged = this.damage?.address === address
      this.ram.write32(address, damaged ? this.damage!.value : value)
      if (damaged) this.damage = null
      return
    }
    this.writes.push({ offset, value })
    this.unit.write(offset, 4, value)
  }

  /** The kernel's IOMMU code on this machine, up to where drivers are bound. */
  boot(
    devices: readonly PciDevice[],
    options: { guest?: string; append?: string; tables?: SmmuTables } & Partial<IommuContext> = {},
  ): SmmuSubsystem {
    const { guest = 'linux-6.12', append = '', tables = EVERYTHING, ...rest } = options
    const subsystem = new SmmuSubsystem(
      {
        bus: this.bus,
        pages: this.pages,
        witness: NO_WITNESS,
        profile: parseGuest(guest),
        options: parseKernelCommandLine(append),
        log: (line) => this.log.push(line),
        ...rest,
      },
      tables,
    )
    subsystem.enableInterruptRemapping()
    subsystem.attachDevices(devices)
    return subsystem
  }

  /** Where a device's access ends up: an address, or the event. */
  access(requester: number, address: number, kind: 1 | 2 | 3 = 1): { to: number; route: string } | { event: number } {
    const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as 'bypass' | 'translated' }
    const hi = Math.floor(address / 2 ** 32)
    const event = this.unit.translate(requester, NO_PASID, 'untranslated', hi, address >>> 0, kind, out)
    return event === 0 ? { to: out.hi * 2 ** 32 + out.lo, route: out.route } : { event }
  }
}

const NO_WITNESS: DmaWitness = { grant: () => 0, revoke: () => {}, phase: () => {} }
