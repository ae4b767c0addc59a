import { reg32, registers } from '@dmascope/layout'

/** One word of a `brcm,bcm3380-l2-intc`: 32 inputs. */
export const L2_INTC_WORD = registers('BCM3380 L2', 'Linux, drivers/irqchip/irq-bcm7120-l2.c', {
  /** The inputs that are let through. */
  IRQEN: reg32(0x0, 'rw'),
  /** The inputs that are asserted, let through or not. */
  IRQSTAT: reg32(0x4, 'ro'),
})
