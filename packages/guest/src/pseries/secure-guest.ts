import type { PageSharing } from '../dma/shared-memory.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'
import type { HypervisorCalls } from './hypervisor.ts'

/** Calls on the ultravisor, as Linux's ultravisor API numbers them. */
const UV_ESM = 0xf110
const UV_SHARE_PAGE = 0xf130
const UV_UNSHARE_PAGE = 0xf134
const U_SUCCESS = 0

const PAGE = 4096
const ON = /^([yYtT1]|[oO][nN])/

/**
 * Linux's `setup_secure_guest` in prom_init: with `svm=on` the kernel asks the ultravisor to be made secure. A text is why
 * it stops: it does not run without what it was told to have.
 *
 * @returns whether the guest is secure now
 */
export function enterSecureMode(
  calls: HypervisorCalls,
  options: KernelCommandLine,
  kernel: { readonly base: number; readonly deviceTree: number },
  log: (line: string) => void,
): boolean | string {
  const asked = options.parameters.findLast(({ name }) => name === 'svm')
  if (asked === undefined || !ON.test(asked.value ?? '')) return false
  const code = calls.call(UV_ESM, kernel.base, kernel.deviceTree)
  if (code !== U_SUCCESS) return `Returned ${code} from switching to secure mode`
  log('svm: the guest is secure: its memory is closed to devices')
  return true
}

/** Sharing by ultracalls: as many pages at once as are to be shared. */
export const sharingByUltracalls = (calls: HypervisorCalls): PageSharing => ({
  share: (start, length) => calls.call(UV_SHARE_PAGE, start / PAGE, length / PAGE) === U_SUCCESS,
  unshare: (start, length) => calls.call(UV_UNSHARE_PAGE, start / PAGE, length / PAGE) === U_SUCCESS,
})
