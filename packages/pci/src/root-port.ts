import { type BridgeModel, GENERIC_ROOT_PORT } from './bridge-model.ts'
import { ModelledBridge, type ModelledBridgeOptions } from './modelled-bridge.ts'

export interface RootPortOptions extends Omit<ModelledBridgeOptions, 'model'> {
  /** Default: `GENERIC_ROOT_PORT`. */
  readonly model?: BridgeModel
}

/** A PCI Express root port. */
export class RootPort extends ModelledBridge {
  constructor(options: RootPortOptions = {}) {
    super({ ...options, model: options.model ?? GENERIC_ROOT_PORT })
  }
}
