import { TceCalls } from '@dmascope/iommu/tce'
import { HCALL_RETURN } from '@dmascope/iommu/tce/spec'
import type { GuestRam } from '@dmascope/memory'
import { readInterruptChoice } from './architecture-vectors.ts'
import type { HostBridge } from './host-bridge.ts'
import type { InterruptSources } from './interrupt-sources.ts'
import { Rtas } from './rtas.ts'
import { PSERIES_HCALL } from './spec/hcalls.ts'

const { H_SUCCESS, H_FUNCTION, H_PARAMETER, H_HARDWARE } = HCALL_RETURN

/** XICS's calls on the interrupt presentation (LoPAPR §14.5.4.7). */
const H_EOI = 0x64
const SOURCE_OF_XIRR = 0xff_ffff
/** Arguments that any of the calls here has, as words. */
const MOST_WORDS = 18
/** What stands before a tree that H_CAS answers. */
const UPDATE_VERSION = 1
const LARGEST_BUFFER = 0x20_0000

/** What the hypervisor works on. */
export interface HypervisorSite {
  readonly ram: GuestRam
  readonly bridges: readonly HostBridge[]
  readonly sources: InterruptSources
  /** The device tree for a guest that has chosen its interrupt controller; null where the machine has it not. */
  treeFor(interrupts: 'xics' | 'xive'): Uint8Array | null
}

/** All hypervisor calls of a pseries machine; the guest's way to TCE tables, RTAS and interrupts. */
export class Hypervisor {
  readonly #site: HypervisorSite
  readonly #tce: TceCalls
  readonly #rtas: Rtas
  readonly #words = new Uint32Array(MOST_WORDS)

  constructor(site: HypervisorSite) {
    this.#site = site
    this.#tce = new TceCalls({ ram: site.ram })
    for (const { unit } of site.bridges) this.#tce.add(unit)
    this.#rtas = new Rtas({ ...site, tce: this.#tce })
  }

  /** `args` and `out` are (lo, hi) pairs; arguments that are left out are zero. */
  call(number: number, args: Uint32Array, out: Uint32Array): number {
    const words = this.#words
    words.fill(0)
    words.set(args.subarray(0, MOST_WORDS))
    if (number === PSERIES_HCALL.H_RTAS) return this.#rtas.call(words[1]!, words[0]!)
    if (number === PSERIES_HCALL.H_CAS) return this.#clientArchitecture(words)
    if (number === H_EOI) {
      this.#site.sources.endOfInterrupt(words[0]! & SOURCE_OF_XIRR)
      return H_SUCCESS
    }
    const result = this.#tce.call(number, words, out)
    return result === H_FUNCTION ? this.#site.sources.call(number, words, out) : result
  }

  /** Address of the vectors, address of a buffer, its size: the tree that fits what they ask for goes there. */
  #clientArchitecture(words: Uint32Array): number {
    const { ram } = this.#site
    const buffer = words[3]! * 0x1_0000_0000 + words[2]!
    const size = words[5] === 0 ? words[4]! : LARGEST_BUFFER
    const chosen = readInterruptChoice(ram, words[1]! * 0x1_0000_0000 + words[0]!)
    if (chosen === null) return H_PARAMETER
    const tree = this.#site.treeFor(chosen)
    if (tree === null) return H_HARDWARE
    if (tree.length + 4 > size) return H_PARAMETER
    const update = new Uint8Array(tree.length + 4)
    new DataView(update.buffer).setUint32(0, UPDATE_VERSION)
    update.set(tree, 4)
    return ram.writeBytes(buffer, update) === update.length ? H_SUCCESS : H_PARAMETER
  }
}
