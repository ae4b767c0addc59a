/** Where a bank or a block of registers is, physically. */
export interface AddressBlock {
  readonly base: number
  readonly size: number
}

const MIB = 0x10_0000

/** The two banks that the UBUS shows in each other's place (Linux, bcm3384_zephyr.dtsi: `dma-ranges`). */
export const BANK_BYTES = 128 * MIB

/** Registers of a BCM3384, as Linux's bcm3384_zephyr.dtsi and bcm3384_viper.dtsi have them. */
export const BCM3384 = {
  uart0: { base: 0x14e0_0520, size: 0x18 },
  ohci0: { base: 0x1540_0400, size: 0x100 },
  ehci0: { base: 0x1540_0300, size: 0x100 },
} as const satisfies Readonly<Record<string, AddressBlock>>

/** A host bridge that no BCM3384 has, where no published device tree of one has anything. */
export const PCIE = {
  io: { base: 0x17ff_0000, size: 0x1_0000 },
  memory: { base: 0x1800_0000, size: 64 * MIB },
  configuration: { base: 0x1c00_0000, size: 16 * MIB },
} as const satisfies Readonly<Record<string, AddressBlock>>

/** Virtio transports that no BCM3384 has either, one after the other. */
export const VIRTIO = { base: 0x1560_0000, size: 0x200, count: 4 } as const

/**
 * Inputs of the controller of the chip's peripherals. Those of the host bridge, four for its pins, and of the virtio
 * transports, one each, are ours.
 */
export const PERIPHERAL_INTERRUPT = { uart0: 2, ohci0: 40, ehci0: 41, pcie: 48, virtio: 52 } as const
/** The processor's own input that this controller drives. */
export const PERIPHERAL_LINE = 4

/**
 * Control registers of the core, as Linux finds them by coprocessor 0 (`BMIPS_GET_CBR`). At the address that BMIPS4350
 * cores of other chips have them at (Linux's bcm6358.dtsi, bcm6368.dtsi: `brcm,bmips-cbr-reg`).
 */
export const CORE_REGISTERS = { base: 0xff40_0000, size: 0x4_0000 } as const satisfies AddressBlock
