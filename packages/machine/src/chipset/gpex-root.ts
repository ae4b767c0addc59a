import { StaticFunction } from './static-function.ts'

/** The root complex's own function on QEMU's generic PCI Express host bridge. */
export const gpexRoot = (): StaticFunction =>
  new StaticFunction({
    vendorId: 0x1b36,
    deviceId: 0x0008,
    classCode: 0x06_0000,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
  })
