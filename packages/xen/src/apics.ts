import type { CpuBus } from '@dmascope/memory/contracts'

const PAGE = 4096
/**
 * Where a PC has them.
 *
 * DEVIATION: Xen reads these from the MADT; the machines that it runs on here all have them at their usual places.
 */
const LOCAL_APIC = 0xfee0_0000
const IO_APIC = 0xfec0_0000

/** Registers of the local APIC (Intel SDM vol. 3, §11.4.1) and, through the window, of the I/O APIC (82093AA §3). */
const TPR = 0x80
const EOI = 0xb0
const SVR = 0xf0
const ENABLED_SPURIOUS_FF = 0x1ff
const IOREGSEL = 0
const IOWIN = 0x10
const VERSION = 1
const FIRST_ENTRY = 0x10
const MASKED = 0x1_0000
const LEVEL = 0x8000
const ACTIVE_LOW = 0x2000

/** Frames of registers that a domain does not see. */
export const APIC_FRAMES: ReadonlySet<number> = new Set([LOCAL_APIC / PAGE, IO_APIC / PAGE])

/** The machine's interrupt controllers, in Xen's hands. */
export class Apics {
  readonly #bus: CpuBus
  /** Inputs of the I/O APIC. */
  readonly inputs: number

  /** Takes them over: all inputs masked, every vector let through. */
  constructor(bus: CpuBus) {
    this.#bus = bus
    const version = this.#read(VERSION)
    this.inputs = version === 0xffff_ffff ? 0 : ((version >>> 16) & 0xff) + 1
    for (let input = 0; input < this.inputs; input++) this.mask(input)
    bus.write32(LOCAL_APIC + TPR, 0)
    bus.write32(LOCAL_APIC + SVR, ENABLED_SPURIOUS_FF)
  }

  endOfInterrupt(): void {
    this.#bus.write32(LOCAL_APIC + EOI, 0)
  }

  mask(input: number): void {
    this.#write(FIRST_ENTRY + input * 2, MASKED)
  }

  /** Opens an input: fixed delivery to the processor with APIC 0. */
  open(input: number, vector: number, { level, low }: { readonly level: boolean; readonly low: boolean }): void {
    this.#write(FIRST_ENTRY + input * 2 + 1, 0)
    this.#write(FIRST_ENTRY + input * 2, vector | (level ? LEVEL : 0) | (low ? ACTIVE_LOW : 0))
  }

  /** The message that raises a vector. */
  message(vector: number): { readonly address: number; readonly data: number } {
    return { address: LOCAL_APIC, data: vector }
  }

  #read(register: number): number {
    this.#bus.write32(IO_APIC + IOREGSEL, register)
    return this.#bus.read32(IO_APIC + IOWIN)
  }

  #write(register: number, value: number): void {
    this.#bus.write32(IO_APIC + IOREGSEL, register)
    this.#bus.write32(IO_APIC + IOWIN, value)
  }
}
