/** A stretch of guest-physical addresses. */
export interface AddressBlock {
  readonly base: number
  readonly size: number
}

const MIB = 0x10_0000
const GIB = 0x4000_0000

/** Where QEMU's `virt` has its devices, whatever its memory. */
export const VIRT = {
  flash: { base: 0x0000_0000, size: 128 * MIB },
  gicDistributor: { base: 0x0800_0000, size: 0x1_0000 },
  gicCpu: { base: 0x0801_0000, size: 0x1_0000 },
  gicHypervisor: { base: 0x0803_0000, size: 0x1_0000 },
  gicVirtualCpu: { base: 0x0804_0000, size: 0x1_0000 },
  gicV2m: { base: 0x0802_0000, size: 0x1000 },
  gicIts: { base: 0x0808_0000, size: 0x2_0000 },
  gicRedistributors: { base: 0x080a_0000, size: 0xf6_0000 },
  uart: { base: 0x0900_0000, size: 0x1000 },
  rtc: { base: 0x0901_0000, size: 0x1000 },
  fwCfg: { base: 0x0902_0000, size: 0x18 },
  gpio: { base: 0x0903_0000, size: 0x1000 },
  secureUart: { base: 0x0904_0000, size: 0x1000 },
  smmu: { base: 0x0905_0000, size: 0x2_0000 },
  generalEventDevice: { base: 0x0908_0000, size: 4 },
  secureGpio: { base: 0x090b_0000, size: 0x1000 },
  /** None of QEMU's. */
  writeBuffer: { base: 0x090f_0000, size: 0x1000 },
  virtioMmio: { base: 0x0a00_0000, size: 0x200 },
  platformBus: { base: 0x0c00_0000, size: 32 * MIB },
  secureMemory: { base: 0x0e00_0000, size: 16 * MIB },
  pcieMmio: { base: 0x1000_0000, size: 0x2eff_0000 },
  pciePio: { base: 0x3eff_0000, size: 0x1_0000 },
  pcieEcamLow: { base: 0x3f00_0000, size: 16 * MIB },
} as const satisfies Readonly<Record<string, AddressBlock>>

/** Where RAM begins. */
export const RAM_BASE = GIB
/** virtio-mmio transports, each of its own size, one after the other. */
export const VIRTIO_TRANSPORTS = 32

/** Shared peripheral interrupts, from 0 on. */
export const VIRT_SPI = {
  secureGpio: 0,
  uart: 1,
  rtc: 2,
  /** Four, for the pins. */
  pcie: 3,
  gpio: 7,
  secureUart: 8,
  generalEventDevice: 9,
  /** One for each transport. */
  virtioMmio: 16,
  gicV2m: 48,
  /** Event queue, PRI queue, command queue sync, global error. */
  smmu: 74,
  platformBus: 112,
} as const
/** Shared interrupts of the GIC. */
export const VIRT_SPIS = 256
/** Shared interrupts of the GICv2m frame. */
export const V2M_SPIS = 64
/** Private interrupts of a processor, as the GIC numbers them. */
export const VIRT_INTID = {
  performanceMonitor: 23,
  /** Of the virtual CPU interface. */
  maintenance: 25,
  hypervisorTimer: 26,
  virtualTimer: 27,
  hypervisorVirtualTimer: 28,
  secureTimer: 29,
  timer: 30,
} as const

/** What lies above RAM, and depends on it. */
export interface HighMemory {
  /** Where configuration space is: 256 MiB high up, or 16 MiB below RAM. */
  readonly ecam: AddressBlock
  /** The host bridge's window above 4 GiB; null without one. */
  readonly mmio: AddressBlock | null
}

export interface HighMemoryOptions {
  readonly memory: number
  /** Bits of physical address of the processor. */
  readonly addressBits: number
  readonly highmem: boolean
  readonly redistributors: boolean
  readonly ecam: boolean
  readonly mmio: boolean
  /** Regions that are not there take no place. */
  readonly compact: boolean
}

const REDISTRIBUTORS_2 = 64 * MIB
const ECAM_HIGH = 256 * MIB
const MMIO_HIGH = 512 * GIB
/** RAM may end here before what is above it moves. */
const LEGACY_RAM_END = 256 * GIB

/** QEMU's `virt_set_memmap`: regions above RAM, each aligned to its size, in this order. */
export function highMemory(options: HighMemoryOptions): HighMemory {
  const limit = 2 ** (options.highmem ? options.addressBits : 32)
  let top = Math.max(Math.ceil((RAM_BASE + options.memory) / GIB) * GIB, LEGACY_RAM_END)
  const place = (size: number, wanted: boolean): AddressBlock | null => {
    const base = Math.ceil(top / size) * size
    const enabled = wanted && base + size <= limit
    if (enabled || !options.compact) top = base + size
    return enabled ? { base, size } : null
  }
  place(REDISTRIBUTORS_2, options.redistributors)
  const ecam = place(ECAM_HIGH, options.ecam)
  const mmio = place(MMIO_HIGH, options.mmio)
  return { ecam: ecam ?? VIRT.pcieEcamLow, mmio }
}
