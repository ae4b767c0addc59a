import type { DmaPort, InterruptPort } from '@dmascope/memory'
import { ConfigSpace, type ConfigSpaceOptions, type PciFunction } from '@dmascope/pci'

/** A function that is a configuration space and no more. */
export class Endpoint implements PciFunction {
  readonly config: ConfigSpace
  resets: string[] = []

  constructor(options: Partial<ConfigSpaceOptions> = {}) {
    this.config = new ConfigSpace({ vendorId: 0x1234, deviceId: 0x5678, classCode: 0xff0000, ...options })
  }
  connect(_dma: DmaPort, _interrupts: InterruptPort): void {}
  readBar(_bar: number, _offset: number, _width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    out.fill(0)
  }
  writeBar(): void {}
  work(): 'idle' {
    return 'idle'
  }
  reset(kind: 'function' | 'bus'): void {
    this.resets.push(kind)
    this.config.reset()
  }
}
