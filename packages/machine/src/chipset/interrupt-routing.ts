/** INTA# is pin 0 here, INTD# is 3. */
export type Pin = 0 | 1 | 2 | 3

/** How a chipset's interrupt pins on the root bus reach the IOAPIC. */
export interface InterruptRouting {
  /** Global system interrupt of a root-bus device's pin. */
  gsi(device: number, pin: number): number
  /** Highest device number that `_PRT` lists. */
  readonly devices: number
}

/**
 * ICH9: eight PIRQ lines A to H on GSI 16 to 23. Devices 25 to 29 and 31 take their interrupt routing registers' reset
 * value (INTA to PIRQA and so on), device 30 takes PIRQE to PIRQH in order; all others rotate through those four (ICH9
 * datasheet §10.1.46; QEMU's `_PRT`).
 */
export const ICH9_ROUTING: InterruptRouting = {
  devices: 32,
  gsi(device, pin) {
    if (device === 30) return 20 + (pin & 3)
    return device >= 25 ? 16 + (pin & 3) : 20 + ((device + pin) & 3)
  },
}

/**
 * PIIX3: four PIRQ lines, rotated by device number, which firmware routes to ISA interrupts 10, 10, 11, 11 (SeaBIOS).
 * Those are GSIs of the same number.
 */
export const PIIX3_ROUTING: InterruptRouting = {
  devices: 32,
  gsi: (device, pin) => [10, 10, 11, 11][(device - 1 + pin) & 3]!,
}

/** A pin below a bridge, as it arrives at the bridge's own pins (PCI-to-PCI bridge 1.2 §9.1). */
export const swizzle = (device: number, pin: number): number => (device + pin) & 3
