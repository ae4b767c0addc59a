export type { Bar, BarOptions } from './bar.ts'
export { ROM_BAR } from './bar.ts'
export type { BridgeOptions } from './bridge.ts'
export { Bridge } from './bridge.ts'
export type { BridgeCapability, BridgeModel } from './bridge-model.ts'
export {
  GENERIC_ROOT_PORT,
  I82801B11_BRIDGE,
  IOH3420_ROOT_PORT,
  PCI_BRIDGE,
  PCIE_PCI_BRIDGE,
  PHB4_ROOT_PORT,
  SIMBA_BRIDGE,
  X3130_UPSTREAM_PORT,
  XIO3130_DOWNSTREAM_PORT,
} from './bridge-model.ts'
export type { AddressRange, PciBridge, PciBusOptions, PciSlot, RequesterNaming, VirtualPlace } from './bus.ts'
export { isBridge, PciBus } from './bus.ts'
export { ConfigSpace } from './config-space.ts'
export type { PciFunction } from './contracts/pci-function.ts'
export type { PhysicalFunction } from './contracts/physical-function.ts'
export { isPhysicalFunction } from './contracts/physical-function.ts'
export type { DecodedRange } from './decode-map.ts'
export type { ExpressOptions } from './express-capability.ts'
export { addExpressCapability } from './express-capability.ts'
export type { ConfigSpaceOptions } from './header-image.ts'
export type { ModelledBridgeOptions } from './modelled-bridge.ts'
export { ModelledBridge } from './modelled-bridge.ts'
export type { MsiOptions } from './msi.ts'
export { Msi } from './msi.ts'
export type { MsixOptions } from './msix.ts'
export { Msix } from './msix.ts'
export type { OwnRegisterImage, RegisterImage } from './register-image.ts'
export { readOnlyImage, registerImage, withOwnMasks } from './register-image.ts'
export type { Decoded, RootBusOptions, RootComplexOptions } from './root-complex.ts'
export { RootComplex } from './root-complex.ts'
export type { RootPortOptions } from './root-port.ts'
export { RootPort } from './root-port.ts'
export type { SriovOptions } from './sriov-capability.ts'
export { SriovCapability } from './sriov-capability.ts'
export {
  ACS_ALL_WITHOUT_EGRESS_CONTROL,
  addAcsCapability,
  addAerCapability,
  addAriCapability,
  addAtsCapability,
  addPowerManagementCapability,
  addSubsystemCapability,
} from './standard-capabilities.ts'
