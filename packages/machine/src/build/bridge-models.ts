import {
  type BridgeModel,
  GENERIC_ROOT_PORT,
  I82801B11_BRIDGE,
  IOH3420_ROOT_PORT,
  PCI_BRIDGE,
  PCIE_PCI_BRIDGE,
  PHB4_ROOT_PORT,
  SIMBA_BRIDGE,
  X3130_UPSTREAM_PORT,
  XIO3130_DOWNSTREAM_PORT,
} from '@dmascope/pci'
import type { Properties } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'

const MODELS: Readonly<Record<string, BridgeModel>> = {
  'pcie-root-port': GENERIC_ROOT_PORT,
  ioh3420: IOH3420_ROOT_PORT,
  'x3130-upstream': X3130_UPSTREAM_PORT,
  'xio3130-downstream': XIO3130_DOWNSTREAM_PORT,
  'pcie-pci-bridge': PCIE_PCI_BRIDGE,
  'pci-bridge': PCI_BRIDGE,
  'pci-bridge-seat': { ...PCI_BRIDGE, deviceId: 0x000a },
  'i82801b11-bridge': I82801B11_BRIDGE,
  'pnv-phb-root-port': PHB4_ROOT_PORT,
  'pbm-bridge': SIMBA_BRIDGE,
}

/** Where the slot numbering capability stands in a `pci-bridge` that has no hot-plug controller before it. */
const FIRST_CAPABILITY = 0x40

/** How a port or bridge is made, by its model and properties; null for a model that is neither. */
export function bridgeModelOf({ name }: DeviceModel, properties: Properties): BridgeModel | null {
  const model = Object.hasOwn(MODELS, name) ? MODELS[name]! : null
  if (model === null) return null
  if (properties['disable-acs'] === true) return without(model, 'acs')
  // The BAR, the pin and the messages of a `pci-bridge` are those of its hot-plug controller.
  if (properties.shpc === false) {
    const plain = without(without(model, 'hot-plug'), 'msi')
    const capabilities = plain.capabilities.map((one) =>
      one.kind === 'slot-id' ? { ...one, offset: FIRST_CAPABILITY } : one,
    )
    return { ...plain, interruptPin: 0, bars: [], capabilities }
  }
  return properties.msi === 'off' ? without(model, 'msi') : model
}

const without = (model: BridgeModel, kind: BridgeModel['capabilities'][number]['kind']): BridgeModel => ({
  ...model,
  capabilities: model.capabilities.filter((one) => one.kind !== kind),
})
