export type { Bar, BarOptions } from './bar.ts'
export { ROM_BAR } from './bar.ts'
export type { BridgeOptions } from './bridge.ts'
export { Bridge } from './bridge.ts'
export type { AddressRange, PciBridge, PciBusOptions, PciSlot, RequesterNaming } from './bus.ts'
export { isBridge, PciBus } from './bus.ts'
export type { ConfigSpaceOptions } from './config-space.ts'
export { ConfigSpace } from './config-space.ts'
export type { PciFunction } from './contracts/pci-function.ts'
export type { DecodedRange } from './decode-map.ts'
export type { ExpressOptions } from './express-capability.ts'
export { addExpressCapability } from './express-capability.ts'
export type { MsiOptions } from './msi.ts'
export { Msi } from './msi.ts'
export type { MsixOptions } from './msix.ts'
export { Msix } from './msix.ts'
export type { RegisterImage } from './register-image.ts'
export { readOnlyImage, registerImage } from './register-image.ts'
export type { Decoded, RootComplexOptions } from './root-complex.ts'
export { RootComplex } from './root-complex.ts'
export type { RootPortModel, RootPortOptions } from './root-port.ts'
export { GENERIC_ROOT_PORT, IOH3420_ROOT_PORT, RootPort } from './root-port.ts'
export {
  ACS_ALL_WITHOUT_EGRESS_CONTROL,
  addAcsCapability,
  addAerCapability,
  addAriCapability,
  addAtsCapability,
  addPowerManagementCapability,
  addSubsystemCapability,
} from './standard-capabilities.ts'
