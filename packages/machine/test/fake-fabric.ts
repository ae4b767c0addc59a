import { type Fault, PortTlb, type Translation, type Translator } from '@dmascope/iommu'
import { type Access, AddressSpace, GuestRam } from '@dmascope/memory'
import { onTestFinished } from 'vitest'
import { FabricPort, type InboundWay, type Route } from '../src/fabric/fabric-port.ts'
import { DeviceLedger, Ledger } from '../src/fabric/ledger.ts'

export const MIB = 0x10_0000
/** What lies where in the fake machine's memory, beside 64 MiB of RAM from 0 on. */
export const ROM = 0xfff0_0000
export const REGISTERS = 0xfe00_0000
export const HOLE = 0xd000_0000
/** Among the registers. */
export const DOORBELL = REGISTERS + 0x40
export const OWNER = '0000:00:03.0'

/** An IOMMU that is a list of pages. A page that is not in it is refused, and the refusal kept. */
class PageList implements Translator {
  readonly epochs = new Uint32Array(64)
  readonly faults: { readonly hi: number; readonly lo: number; readonly access: Access }[] = []
  readonly #pages = new Map<string, { to: number; rights: number; tag: number }>()
  #tags = 0

  /** Maps one page of 4 KiB. @param to - guest-physical, up to 2^64 as a Number */
  map(hi: number, lo: number, to: number, rights = 3): void {
    this.#pages.set(`${hi}:${lo >>> 12}`, { to, rights, tag: this.#tags++ % this.epochs.length })
  }

  /** Takes the page away, and tells whoever holds a copy. */
  invalidate(hi: number, lo: number): void {
    const page = this.#pages.get(`${hi}:${lo >>> 12}`)
    this.#pages.delete(`${hi}:${lo >>> 12}`)
    if (page !== undefined) this.epochs[page.tag]!++
  }

  translate(
    _requester: number,
    _pasid: number,
    _kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    const page = this.#pages.get(`${hi}:${lo >>> 12}`)
    if (page === undefined || (access & ~page.rights) !== 0) {
      this.faults.push({ hi, lo, access })
      return 6
    }
    out.hi = Math.floor(page.to / 0x1_0000_0000)
    out.lo = ((page.to % 0x1_0000_0000) + (lo & 0xfff)) >>> 0
    out.log2Size = 12
    out.rights = page.rights
    out.tag = page.tag
    out.route = 'translated'
    return 0
  }

  remapInterrupt(): Fault {
    return 0
  }
}

/** A port in a small machine, with everything that it is plugged into within reach. */
export class FakeFabric {
  readonly ram = new GuestRam([{ base: 0, size: 64 * MIB }])
  readonly space = new AddressSpace(this.ram)
  readonly ledger = new DeviceLedger()
  readonly books: Ledger
  readonly iommu = new PageList()
  readonly tlb = new PortTlb(this.iommu, 0x18)
  readonly port: FabricPort
  readonly messages: [number, number][] = []
  /** What was written to the doorbell. */
  readonly doorbell: number[] = []
  readonly pin: boolean[] = []
  /** Register accesses, as `write 4+4=1`. */
  readonly registers: string[] = []
  messageRoute: Route = 'untranslated'
  busMaster = true
  turn = 0

  constructor(
    options: {
      readonly behindIommu?: boolean
      readonly messagesBehindIommu?: boolean
      readonly trace?: boolean
      readonly inbound?: InboundWay
    } = {},
  ) {
    this.books = new Ledger((owner) => (owner === OWNER ? this.ledger : null), { trace: options.trace === true })
    this.ledger.phase = 'self-test'
    this.space.add({
      name: 'ROM',
      base: ROM,
      size: MIB,
      kind: 'rom',
      handler: { read: (_offset, width) => 0xea5b_e0f0 >>> (32 - 8 * width), write: () => {} },
    })
    this.space.add({
      name: 'registers',
      base: REGISTERS,
      size: 0x1000,
      kind: 'mmio',
      handler: {
        read: (offset) => offset & 0xff,
        write: (offset, width, value) => void this.registers.push(`write ${offset}+${width}=${value}`),
      },
    })
    this.port = new FabricPort(
      {
        space: this.space,
        books: this.books,
        messages: { first: 0xfee0_0000, last: 0xfeef_ffff },
        ringDoorbell: (address, data) => {
          if (address !== DOORBELL) return false
          this.doorbell.push(data)
          return true
        },
        sendMessage: (address, data) => {
          this.messages.push([address, data])
          return this.messageRoute
        },
        setPin: (level) => void this.pin.push(level),
        busMasterEnabled: () => this.busMaster,
        turn: () => this.turn,
        name: () => OWNER,
      },
      this.ledger,
      options.behindIommu === true ? this.tlb : null,
      options.messagesBehindIommu === true || options.behindIommu === true ? this.tlb : null,
      options.inbound,
    )
  }

  grant(address: number, length: number, access: Access = 3): number {
    return this.books.grant(OWNER, address, length, access, 'test')
  }
}

/** One that is there until the end of the test. */
export function fabric(options?: ConstructorParameters<typeof FakeFabric>[0]): FakeFabric {
  const one = new FakeFabric(options)
  onTestFinished(() => one.ram.dispose())
  return one
}

export const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

/** A copy of what its RAM holds. */
export function ramAt(one: FakeFabric, address: number, length: number): Uint8Array {
  const data = new Uint8Array(length)
  one.ram.readBytes(address, data)
  return data
}
