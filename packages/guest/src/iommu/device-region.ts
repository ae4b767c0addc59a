/** Addresses of a device that are not a user's to map, as sysfs lists them (`reserved_regions`). Both ends are in it. */
export interface DeviceRegion {
  readonly start: number
  readonly end: number
  /** `direct`: must be mapped onto itself, always. `direct-relaxable`: only while the kernel has the device. */
  readonly type: 'direct' | 'direct-relaxable' | 'reserved' | 'msi'
  /** Of `msi`: software maps the interrupt controller's doorbell in there; the hardware knows nothing of it. */
  readonly software?: true
  /** Who says so: `an RMRR names it`. */
  readonly because: string
}

/**
 * Where Linux maps the doorbells of interrupt controllers in a domain of a user's, on hardware that translates messages
 * like any other write, and has no place of its own for them (`MSI_IOVA_BASE`, `MSI_IOVA_LENGTH`).
 */
export const SOFTWARE_MSI_REGION: DeviceRegion = {
  start: 0x800_0000,
  end: 0x80f_ffff,
  type: 'msi',
  software: true,
  because: 'the kernel maps the doorbells of messages there',
}
