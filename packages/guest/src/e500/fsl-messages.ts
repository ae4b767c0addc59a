import { type DeviceTree, type DtNode, parseReg, phandleOf, translateAddress } from '@dmascope/devicetree'
import { highWord, lowWord } from '@dmascope/layout'
import type { AllocatedMessages, MessageDomain } from '../interrupts/message-domain.ts'
import type { Vector, Vectors } from '../interrupts/vectors.ts'
import type { WordRegisters } from '../openpic/byte-order.ts'
import type { OpenPicDriver } from '../openpic/open-pic.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { MESSAGES_A_REGISTER, MSIIR_OFFSET, MSIR_STRIDE } from '../spec/fsl-pci.ts'

const COMPATIBLE = 'fsl,mpic-msi'
const CCSR_OFFSET_MASK = 0xf_ffff
/** Vectors of messages, beyond those of sources. */
const FIRST_VECTOR = 0x1000

/** The registers of messages, as their node tells of them. */
interface MessageBlock {
  readonly base: number
  /** Sources of the interrupt controller, one a register. */
  readonly sources: readonly number[]
}

/** What messages on this platform work with. */
export interface FslMessageSite {
  readonly words: WordRegisters
  readonly pic: OpenPicDriver
  readonly vectors: Vectors
  /** Bus address at which devices find CCSR. */
  readonly ccsrBar: number
  /** `pci=nomsi` */
  readonly off: boolean
}

/** Finds the block that the host bridge’s `fsl,msi` names, or any; null without. */
export function findMessageBlock(tree: DeviceTree, bridge: DtNode): MessageBlock | null {
  const named = bridge.cell('fsl,msi')
  for (const node of tree.nodes()) {
    if (!node.strings('compatible').includes(COMPATIBLE)) continue
    if (named !== undefined && phandleOf(node) !== named) continue
    const register = parseReg(node)[0]
    if (register === undefined || node.parent === null) continue
    const found = translateAddress(node.parent, register.address, 'ranges', register.upper)
    if (!found.ok || typeof found.address !== 'number') continue
    return { base: found.address, sources: node.cells('interrupts').filter((_, index) => index % 2 === 0) }
  }
  return null
}

/** Freescale’s messages (`fsl_msi`): 256 numbers, 32 of which share a source of the interrupt controller. */
export class FslMessages implements MessageDomain {
  readonly #site: FslMessageSite
  readonly #block: MessageBlock | null
  readonly #taken = new Map<number, Vector>()
  readonly #open = new Set<number>()

  constructor(site: FslMessageSite, block: MessageBlock | null) {
    this.#site = site
    this.#block = block
  }

  allocate(_fn: PciFunction, count: number): AllocatedMessages | string {
    const { vectors, ccsrBar, off } = this.#site
    if (off) return 'pci=nomsi'
    if (this.#block === null) return 'no fsl,mpic-msi in the device tree'
    const taken: Vector[] = []
    for (let index = 0; index < count; index++) {
      const vector = this.#claim(this.#block, vectors)
      if (vector === null) {
        for (const one of taken) this.#giveBack(one)
        return `no ${count} messages are free`
      }
      taken.push(vector)
    }
    const address = ccsrBar + (this.#block.base & CCSR_OFFSET_MASK) + MSIIR_OFFSET
    return {
      vectors: taken,
      messages: taken.map(({ number }) => ({
        hi: highWord(address),
        lo: lowWord(address),
        data: number - FIRST_VECTOR,
      })),
    }
  }

  release(_fn: PciFunction, { vectors }: AllocatedMessages): void {
    for (const vector of vectors) this.#giveBack(vector)
  }

  #claim(block: MessageBlock, vectors: Vectors): Vector | null {
    for (let number = 0; number < block.sources.length * MESSAGES_A_REGISTER; number++) {
      if (this.#taken.has(number)) continue
      const vector = this.#listen(block, Math.floor(number / MESSAGES_A_REGISTER))
        ? vectors.claim(FIRST_VECTOR + number, 'edge')
        : null
      if (vector !== null) this.#taken.set(number, vector)
      return vector
    }
    return null
  }

  #giveBack(vector: Vector): void {
    this.#site.vectors.release(vector)
    this.#taken.delete(vector.number - FIRST_VECTOR)
  }

  /** The register’s source is handled, from the first message on. */
  #listen({ base, sources }: MessageBlock, register: number): boolean {
    if (this.#open.has(register)) return true
    const { pic, vectors, words } = this.#site
    const source = sources[register]!
    const cascade = vectors.claim(source, 'level', () => pic.disable(source))
    if (cascade === null || !pic.enable(source, true, true)) return false
    cascade.handlers.push(() => {
      let claimed = false
      let waiting = words.read(base + register * MSIR_STRIDE)
      for (let bit = 0; waiting !== 0; bit++, waiting >>>= 1) {
        if ((waiting & 1) === 0) continue
        for (const handler of this.#taken.get(register * MESSAGES_A_REGISTER + bit)?.handlers ?? []) {
          claimed = handler() || claimed
        }
      }
      return claimed
    })
    this.#open.add(register)
    return true
  }
}
