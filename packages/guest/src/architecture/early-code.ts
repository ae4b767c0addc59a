import type { EarlyCode } from './architecture.ts'
import type { Architecture } from './architecture-name.ts'
import { startArm64 } from './arm64.ts'
import { startPpc64 } from './ppc64.ts'
import { startX86 } from './x86.ts'

/** The early code of each architecture. */
export const EARLY_CODE: Readonly<Record<Architecture, EarlyCode>> = {
  x86_64: startX86,
  aarch64: startArm64,
  ppc64: startPpc64,
}
