import type { CpuBus } from '@dmascope/memory/contracts'
import { XEN_CPUID_FIRST_LEAF, XEN_CPUID_SIGNATURE } from '@dmascope/xen/spec'

/** Hypervisors' leaves begin at multiples of 0x100, so that one can show itself beside another. */
const LAST_LEAF = 0x4001_0000
const STEP = 0x100

/** Xen, as CPUID tells of it. */
export interface FoundXen {
  /** `4.17`. */
  readonly version: string
}

/** Looks for Xen among the hypervisors that CPUID names. Null where it is none of them. */
export function findXen(bus: CpuBus): FoundXen | null {
  if (bus.cpuid === undefined) return null
  const out = new Uint32Array(4)
  for (let leaf = XEN_CPUID_FIRST_LEAF; leaf < LAST_LEAF; leaf += STEP) {
    bus.cpuid(leaf, 0, out)
    // EBX, ECX and EDX bear the name.
    const [, ...name] = out
    if (!XEN_CPUID_SIGNATURE.every((word, index) => name[index] === word)) continue
    bus.cpuid(leaf + 1, 0, out)
    return { version: `${out[0]! >>> 16}.${out[0]! & 0xffff}` }
  }
  return null
}
