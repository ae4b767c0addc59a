import { type Access, GuestRam } from '@dmascope/memory'
import { NO_PASID, PortTlb, type Translation } from '../src/index.ts'
import { type IodaFeatures, IodaUnit } from '../src/ioda/index.ts'

/** A function of the endpoint 5 of a host bridge, and software that writes tables into 16 MiB of memory. */
export class IodaGuest {
  readonly ram = new GuestRam([{ base: 0, size: 16 << 20 }])
  readonly unit: IodaUnit
  readonly out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  readonly port: PortTlb
  static readonly REQUESTER = 0x100
  static readonly ENDPOINT = 5

  constructor(features: Partial<IodaFeatures> = {}) {
    this.unit = new IodaUnit({ ...features, ram: this.ram })
    this.unit.assign(IodaGuest.REQUESTER, IodaGuest.ENDPOINT)
    this.port = new PortTlb(this.unit, IodaGuest.REQUESTER)
  }

  /** A TVE of 64 bits. */
  tve(window: 0 | 1, value: bigint): void {
    this.unit.setTve(IodaGuest.ENDPOINT, window, Number(value >> 32n), Number(value & 0xffff_ffffn))
  }

  tce(address: number, value: bigint): void {
    const bytes = new DataView(new ArrayBuffer(8))
    bytes.setBigUint64(0, value)
    this.ram.writeBytes(address, new Uint8Array(bytes.buffer))
  }

  dma(address: bigint, access: Access, requester: number = IodaGuest.REQUESTER): number {
    const hi = Number(address >> 32n)
    const lo = Number(address & 0xffff_ffffn)
    return this.unit.translate(requester, NO_PASID, 'untranslated', hi, lo, access, this.out)
  }

  get output(): bigint {
    return (BigInt(this.out.hi) << 32n) | BigInt(this.out.lo)
  }
}
