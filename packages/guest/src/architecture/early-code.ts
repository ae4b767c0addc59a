import type { Architecture, EarlyCode } from './architecture.ts'
import { startPpc64 } from './ppc64.ts'
import { startX86 } from './x86.ts'

const noKernel =
  (name: string): EarlyCode =>
  () =>
    `there is no kernel for ${name}`

/** The early code of each architecture. */
export const EARLY_CODE: Readonly<Record<Architecture, EarlyCode>> = {
  x86_64: startX86,
  aarch64: noKernel('aarch64'),
  ppc64: startPpc64,
}
