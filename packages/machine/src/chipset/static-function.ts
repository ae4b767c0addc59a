import type { DmaPort, InterruptPort } from '@dmascope/memory'
import { ConfigSpace, type ConfigSpaceOptions, type PciFunction } from '@dmascope/pci'

/** A function that software finds and configures, and that does nothing of its own: a host bridge, an ISA bridge. */
export class StaticFunction implements PciFunction {
  readonly config: ConfigSpace

  constructor(options: ConfigSpaceOptions) {
    this.config = new ConfigSpace(options)
  }

  connect(_dma: DmaPort, _interrupts: InterruptPort): void {}

  readBar(_bar: number, _offset: number, _width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    out.fill(0)
  }

  writeBar(_bar: number, _offset: number, _width: 1 | 2 | 4 | 8, _lo: number, _hi: number): void {}

  work(_budget: number): 'idle' | 'more' | 'waiting' {
    return 'idle'
  }

  reset(_kind: 'function' | 'bus'): void {
    this.config.reset()
  }
}
