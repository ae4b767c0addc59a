import { type Access, GuestRam } from '@dmascope/memory'
import { NO_PASID, PortTlb, type Translation } from '../src/index.ts'
import { type Sun4uFeatures, Sun4uUnit } from '../src/sun4u/index.ts'

/** Software with a TSB in 16 MiB of memory, and a function behind the unit. */
export class Sun4uGuest {
  readonly ram = new GuestRam([{ base: 0, size: 16 << 20 }])
  readonly unit: Sun4uUnit
  readonly out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  readonly port: PortTlb
  static readonly REQUESTER = 0x200
  static readonly TSB = 0x20_0000

  constructor(features: Partial<Sun4uFeatures> = {}) {
    this.unit = new Sun4uUnit({ ...features, ram: this.ram })
    this.port = new PortTlb(this.unit, Sun4uGuest.REQUESTER)
  }

  /** A store of eight bytes, its upper half first. */
  write(offset: number, value: bigint): void {
    this.unit.writeWord(offset, Number(value >> 32n))
    this.unit.writeWord(offset + 4, Number(value & 0xffff_ffffn))
  }

  read(offset: number): bigint {
    return (BigInt(this.unit.readWord(offset)) << 32n) | BigInt(this.unit.readWord(offset + 4))
  }

  entry(index: number, value: bigint): void {
    const bytes = new DataView(new ArrayBuffer(8))
    bytes.setBigUint64(0, value)
    this.ram.writeBytes(Sun4uGuest.TSB + index * 8, new Uint8Array(bytes.buffer))
  }

  dma(address: bigint, access: Access, requester: number = Sun4uGuest.REQUESTER): number {
    const [hi, lo] = [Number(address >> 32n), Number(address & 0xffff_ffffn)]
    return this.unit.translate(requester, NO_PASID, 'untranslated', hi, lo, access, this.out)
  }

  get output(): bigint {
    return (BigInt(this.out.hi) << 32n) | BigInt(this.out.lo)
  }
}
