import type { EarlyCode } from './architecture.ts'
import type { Architecture } from './architecture-name.ts'
import { startArm64 } from './arm64.ts'
import { startMips } from './mips.ts'
import { startPpc, startPpc64 } from './ppc64.ts'
import { startS390x } from './s390x.ts'
import { startSparc64 } from './sparc64.ts'
import { startX86 } from './x86.ts'
import { startXenDomain } from './x86-xen.ts'

/** The early code of each architecture. */
export const EARLY_CODE: Readonly<Record<Architecture, EarlyCode>> = {
  // A paravirtual domain starts at an entry of its own, which an ELF note of the kernel names.
  x86_64: (bus, entry, log) => (entry.startInfo === undefined ? startX86 : startXenDomain)(bus, entry, log),
  aarch64: startArm64,
  ppc: startPpc,
  ppc64: startPpc64,
  sparc64: startSparc64,
  s390x: startS390x,
  mipsel: startMips,
}
