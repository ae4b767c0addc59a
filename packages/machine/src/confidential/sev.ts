import type { CpuBusExtras } from '../cpu-bus.ts'
import type { PrivateMemory } from './private-memory.ts'

/** Leaves of CPUID, and what an SEV guest's say (AMD64 Architecture Programmer's Manual, volume 3, appendix E). */
const VENDOR = 0
const FEATURES = 1
const HYPERVISOR_PRESENT = 2 ** 31
const LARGEST_EXTENDED = 0x8000_0000
const MEMORY_ENCRYPTION = 0x8000_001f
const SEV_SUPPORTED = 1 << 1
/** Where page tables have the encryption bit, and by how many bits physical addresses are shorter for it. */
const C_BIT = 51
const REDUCED_BITS = 1
/** "AuthenticAMD", in the order EBX, EDX, ECX. */
const AUTHENTIC_AMD = { ebx: 0x6874_7541, edx: 0x6974_6e65, ecx: 0x444d_4163 } as const

/** MSR_AMD64_SEV, and its bit for SEV. */
const SEV_STATUS = 0xc001_0131
const SEV_ENABLED = 1

/** Result codes of `setPageState`. */
const DONE = 0
const NO_RAM = -1

/** The processor of an SEV guest, as far as its memory goes: what it says of encryption, and its pages' C-bits. */
export const sevProcessor = (memory: PrivateMemory): Omit<CpuBusExtras, 'ports'> => ({
  cpuid(leaf, _subleaf, out) {
    const [eax, ebx, ecx, edx] = cpuid(leaf >>> 0)
    out.set([eax, ebx, ecx, edx])
  },
  setPageState: (page, state) => (memory.setOpen(page, state === 'shared') ? DONE : NO_RAM),
  systemRegisters: {
    read: (register) => (register === SEV_STATUS ? SEV_ENABLED : 0),
    write: () => {},
  },
})

function cpuid(leaf: number): readonly [eax: number, ebx: number, ecx: number, edx: number] {
  switch (leaf) {
    case VENDOR:
      return [FEATURES, AUTHENTIC_AMD.ebx, AUTHENTIC_AMD.ecx, AUTHENTIC_AMD.edx]
    case FEATURES:
      return [0, 0, HYPERVISOR_PRESENT, 0]
    case LARGEST_EXTENDED:
      return [MEMORY_ENCRYPTION, AUTHENTIC_AMD.ebx, AUTHENTIC_AMD.ecx, AUTHENTIC_AMD.edx]
    case MEMORY_ENCRYPTION:
      return [SEV_SUPPORTED, C_BIT | (REDUCED_BITS << 6), 0, 0]
    default:
      return [0, 0, 0, 0]
  }
}
