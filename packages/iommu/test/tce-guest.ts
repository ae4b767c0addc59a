import { type Access, GuestRam } from '@dmascope/memory'
import { NO_PASID, PortTlb, type Translation } from '../src/index.ts'
import { createPeDmaWindow, TceCalls, type TceOptions, TceUnit } from '../src/tce/index.ts'

export const LIOBN_32 = 0x8000_0000
export const LIOBN_64 = 0x8000_0001

/** One host bridge, and a partition that makes hypervisor calls with numbers of its own. */
export class TceGuest {
  readonly ram = new GuestRam([{ base: 0, size: 16 << 20 }])
  readonly unit: TceUnit
  readonly calls: TceCalls
  readonly out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  readonly port: PortTlb

  constructor(options: TceOptions = {}) {
    this.unit = new TceUnit(options)
    this.calls = new TceCalls({ ram: this.ram })
    this.calls.add(this.unit)
    this.port = new PortTlb(this.unit, 0x18)
  }

  /** Arguments are whole 64-bit numbers; answers the return code and what came out. */
  call(number: number, ...args: bigint[]): { code: number; value: bigint } {
    const words = new Uint32Array(args.flatMap((one) => [Number(one & 0xffff_ffffn), Number(one >> 32n)]))
    const out = new Uint32Array(2)
    const code = this.calls.call(number, words, out)
    return { code, value: (BigInt(out[1]!) << 32n) | BigInt(out[0]!) }
  }

  /** H_PUT_TCE. */
  put(liobn: number, ioba: bigint, tce: bigint): number {
    return this.call(0x20, BigInt(liobn), ioba, tce).code
  }

  create(pageShift: number, windowShift: number): number[] {
    const results = new Uint32Array(4)
    createPeDmaWindow(this.unit, new Uint32Array([0x1000, 0x0800_0000, 0x2000_0000, pageShift, windowShift]), results)
    return [results[0]! | 0, ...results.subarray(1)]
  }

  dma(address: bigint, access: Access): number {
    const hi = Number(address >> 32n)
    return this.unit.translate(0x18, NO_PASID, 'untranslated', hi, Number(address & 0xffff_ffffn), access, this.out)
  }

  get output(): bigint {
    return (BigInt(this.out.hi) << 32n) | BigInt(this.out.lo)
  }
}
