/** The first leaf that a hypervisor answers to under Xen; another may stand first, at a multiple of 0x100 above it. */
export const XEN_CPUID_FIRST_LEAF = 0x4000_0000

/** EBX, ECX and EDX of that leaf: "XenVMMXenVMM" (`public/arch-x86/cpuid.h`). */
export const XEN_CPUID_SIGNATURE = [0x566e_6558, 0x6558_4d4d, 0x4d4d_566e] as const

/** Leaves from the first on: the signature and the last leaf, then the version. */
export const XEN_CPUID_LEAVES = 2
