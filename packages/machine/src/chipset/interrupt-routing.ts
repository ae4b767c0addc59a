/** How a chipset's interrupt pins on the root bus reach the IOAPIC. */
export interface InterruptRouting {
  /** Global system interrupt of a root-bus device's pin. Below zero, as QEMU's expanders give them, pins are no pins. */
  gsi(device: number, pin: number): number
  /** Highest device number that `_PRT` lists. */
  readonly devices: number
}

/**
 * ICH9: eight PIRQ lines A to H on GSI 16 to 23. Devices 25 to 29 and 31 take their interrupt routing registers' reset
 * value (INTA to PIRQA and so on), device 30 takes PIRQE to PIRQH in order; all others rotate through those four (ICH9
 * datasheet §10.1.46; QEMU's `_PRT`).
 *
 * Only the I/O APIC's inputs are driven. The lines also reach ISA interrupts where their routing registers say so, as
 * firmware sets them; an operating system that uses the I/O APIC turns that off (the links' `_DIS`).
 */
export const ICH9_ROUTING: InterruptRouting = {
  devices: 32,
  gsi(device, pin) {
    // QEMU's table has a row of four for each device: what is no pin is one of a row before.
    const entry = 4 * device + pin
    const row = entry >> 2
    const column = entry & 3
    if (row === 30) return 20 + column
    return row >= 25 ? 16 + column : 20 + ((row + column) & 3)
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

/**
 * Global system interrupts of the link devices LNKA to LNKD, by which `_PRT` routes the pins on an expander's root bus:
 * the ISA interrupts that firmware gives to PIRQA to PIRQD. Device 0's INTA is on LNKD, and so on round.
 */
export const ISA_LINKS = [10, 10, 11, 11] as const
export const expanderLink = (device: number, pin: number): 0 | 1 | 2 | 3 => ((device + pin + 3) & 3) as 0 | 1 | 2 | 3
