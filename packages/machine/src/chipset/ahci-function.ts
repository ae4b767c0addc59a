import { bits, field, reg32, registers } from '@dmascope/layout'
import { DMA_DISABLED, DMA_FAULT, type DmaPort } from '@dmascope/memory'
import { StaticFunction } from './static-function.ts'

const HOST = registers('AHCI host', 'AHCI 1.3.1 §3.1', {
  CAP: reg32(0x00, 'ro'),
  GHC: reg32(0x04, 'ro'),
  IS: reg32(0x08, 'ro'),
  PI: reg32(0x0c, 'ro'),
  VS: reg32(0x10, 'ro'),
})
const PORT = registers('AHCI port', 'AHCI 1.3.1 §3.3', {
  PxCLB: reg32(0x00, 'rw'),
  PxCLBU: reg32(0x04, 'rw'),
  PxFB: reg32(0x08, 'rw'),
  PxFBU: reg32(0x0c, 'rw'),
  PxIS: reg32(0x10, 'ro'),
  PxIE: reg32(0x14, 'rw'),
  PxCMD: reg32(0x18, 'rw'),
})
const PxCMD = bits(32, 'PxCMD', 'AHCI 1.3.1 §3.3.7', {
  CR: field(15, 'ro'),
  FR: field(14, 'ro'),
  FRE: 4,
  POD: 2,
  SUD: 1,
  ST: 0,
})

const { PxCLB, PxCLBU, PxFB, PxFBU, PxIE, PxCMD: CMD } = PORT.registers
const { CR, FR, FRE, ST } = PxCMD.fields
const REGISTER_BAR = 5
const PORTS = 6
const PORTS_AT = 0x100
const PORT_BYTES = 0x80
/** What software reads of the host: so many ports, AHCI enabled, version 1.0. */
const HOST_VALUES: Readonly<Record<number, number>> = {
  [HOST.registers.CAP.offset]: PORTS - 1,
  [HOST.registers.GHC.offset]: 0x8000_0000,
  [HOST.registers.PI.offset]: 2 ** PORTS - 1,
  [HOST.registers.VS.offset]: 0x0001_0000,
}

/**
 * An AHCI controller without drives. Software can start its ports, and it then claims the memory that each was given, as
 * QEMU's does (`ahci_cond_start_engines`): where an IOMMU refuses that, the port does not start. BAR 5 has its registers.
 */
export class AhciFunction extends StaticFunction {
  readonly #words = new Uint32Array((PORTS * PORT_BYTES) / 4)
  readonly #touched = new Set<number>()
  readonly #word = new Uint8Array(4)
  #dma: DmaPort | null = null

  override connect(dma: DmaPort): void {
    this.#dma = dma
  }

  override readBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    out.fill(0)
    if (bar !== REGISTER_BAR || width !== 4 || offset % 4 !== 0) return
    out[0] = offset < PORTS_AT ? (HOST_VALUES[offset] ?? 0) : (this.#words[(offset - PORTS_AT) >>> 2] ?? 0)
  }

  override writeBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number): void {
    const inPorts = offset - PORTS_AT
    if (bar !== REGISTER_BAR || width !== 4 || offset % 4 !== 0 || inPorts < 0) return
    if (inPorts >= PORTS * PORT_BYTES) return
    const port = Math.floor(inPorts / PORT_BYTES)
    const register = inPorts % PORT_BYTES
    if (register === CMD.offset) {
      const running = this.#words[inPorts >>> 2]! & (FR.loMask | CR.loMask)
      this.#words[inPorts >>> 2] = (lo & ~(FR.loMask | CR.loMask)) | running
      this.#touched.add(port)
    } else if ([PxCLB, PxCLBU, PxFB, PxFBU, PxIE].some((one) => one.offset === register)) {
      this.#words[inPorts >>> 2] = lo
    }
  }

  /** Starts and stops what PxCMD asks for. */
  override work(): 'idle' {
    for (const port of this.#touched) {
      this.#engine(port, ST.loMask, CR.loMask, PxCLBU.offset, PxCLB.offset)
      this.#engine(port, FRE.loMask, FR.loMask, PxFBU.offset, PxFB.offset)
    }
    this.#touched.clear()
    return 'idle'
  }

  #engine(port: number, start: number, runs: number, hiAt: number, loAt: number): void {
    const words = this.#words
    const base = port * PORT_BYTES
    const command = (base + CMD.offset) >>> 2
    const value = words[command]!
    if ((value & start) === 0) {
      words[command] = value & ~runs
      return
    }
    if ((value & runs) !== 0 || this.#dma === null) return
    const hi = words[(base + hiAt) >>> 2]!
    const lo = words[(base + loAt) >>> 2]!
    // QEMU maps the memory without touching it; a word of it tells as much.
    const result = this.#dma.read(hi, lo, this.#word)
    words[command] = result === DMA_FAULT || result === DMA_DISABLED ? value & ~start : value | runs
  }

  override reset(kind: 'function' | 'bus'): void {
    super.reset(kind)
    this.#words.fill(0)
    this.#touched.clear()
  }
}
