import type { MmioHandler } from '@dmascope/memory'
import { StaticFunction } from '../chipset/static-function.ts'
import { MAC_IO, OPEN_PIC } from './spec/address-map.ts'

/** KeyLargo: a function of PCI whose registers are those of all that is on the board; here, of the interrupt controller. */
export class MacIo extends StaticFunction {
  /** Set once, before anything runs. */
  pic: MmioHandler | null = null

  constructor() {
    super({
      vendorId: 0x106b,
      deviceId: 0x0022,
      classCode: 0xff_0000,
      subsystemVendorId: 0x1af4,
      subsystemId: 0x1100,
      bars: [{ bar: 0, kind: 'memory32', size: MAC_IO.size }],
    })
  }

  override readBar(_bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    out.fill(0)
    if (offset >= OPEN_PIC.offset && width !== 8) out[0] = this.pic?.read(offset - OPEN_PIC.offset, width) ?? 0
  }

  override writeBar(_bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number): void {
    if (offset >= OPEN_PIC.offset && width !== 8) this.pic?.write(offset - OPEN_PIC.offset, width, lo)
  }
}
