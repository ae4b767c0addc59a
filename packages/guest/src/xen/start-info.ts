import type { CpuBus } from '@dmascope/memory/contracts'
import { START_FLAGS, START_INFO, VIRT_BASE_HI, VIRT_BASE_LO } from '@dmascope/xen/spec'

/** What Xen left for the kernel of a paravirtual domain. */
export interface StartInfo {
  /** Pages of the domain. */
  readonly pages: number
  /** Machine address of the page that is shared with Xen, below 2^53. */
  readonly sharedInfo: number
  /** The domain's own address of the list of its frames, 64 bits a page. */
  readonly frameList: number
  /** It is the domain that has the machine's devices. */
  readonly initial: boolean
  readonly commandLine: string
}

/** More pages than any kernel here is given: 1 TiB. */
const MOST_PAGES = 2 ** 28

/** @returns why it is none, where it is none */
export function readStartInfo(bus: CpuBus, address: number): StartInfo | string {
  const view = new DataView(new ArrayBuffer(START_INFO.size))
  bus.readBytes(address, new Uint8Array(view.buffer))
  const { magic, nr_pages, shared_info, flags, mfn_list, cmd_line } = START_INFO.fields
  const name = textOf(magic.get(view, 0))
  if (!name.startsWith('xen-')) return `no start_info at 0x${address.toString(16)}`
  const pages = nr_pages.lo.get(view, 0)
  if (nr_pages.hi.get(view, 0) !== 0 || pages === 0 || pages > MOST_PAGES) return `start_info tells of ${pages} pages`
  if (shared_info.hi.get(view, 0) >= 0x20_0000) return 'start_info has no address of the shared page'
  if (mfn_list.hi.get(view, 0) !== VIRT_BASE_HI || mfn_list.lo.get(view, 0) < VIRT_BASE_LO) {
    return 'start_info has the list of frames where the kernel has no addresses'
  }
  return {
    pages,
    sharedInfo: shared_info.number.get(view, 0),
    frameList: mfn_list.lo.get(view, 0) - VIRT_BASE_LO,
    initial: START_FLAGS.fields.SIF_INITDOMAIN.get(flags.get(view, 0)) === 1,
    commandLine: textOf(cmd_line.get(view, 0)).trim(),
  }
}

/** Up to the first zero; what is not printable ASCII must not make unreadable reports. */
function textOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    if (byte === 0) break
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'
  }
  return text
}
