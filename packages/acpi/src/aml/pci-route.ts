/** Where an interrupt pin of a device on a host bridge's root bus leads. */
export interface PciRoute {
  /** Device number on the root bus. */
  device: number
  /** 0 is INTA. */
  pin: number
  /** Global system interrupt; null where only its interrupt link, or hardware, knows it. */
  gsi: number | null
  /** Path of the interrupt link device that decides it. */
  link?: string
  /** What the link can be set to, where it does not tell what it is set to. */
  possible?: number[]
}
