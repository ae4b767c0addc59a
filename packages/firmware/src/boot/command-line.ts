import type { FwCfg } from '../fw-cfg.ts'
import { FW_CFG_KEY } from '../spec/fw-cfg.ts'

const PAGE = 4096

/**
 * The kernel's command line, one byte a character, without its NUL: `given`, else the one that fw_cfg offers.
 *
 * @param given - ASCII
 */
export function kernelCommandLine(fwCfg: FwCfg | null, given: string | undefined): Uint8Array {
  if (given !== undefined) return Uint8Array.from(given, (letter) => letter.charCodeAt(0))
  if (fwCfg === null) return new Uint8Array(0)
  const size = new DataView(fwCfg.item(FW_CFG_KEY.CMDLINE_SIZE, 4).buffer).getUint32(0, true)
  const text = fwCfg.item(FW_CFG_KEY.CMDLINE_DATA, Math.min(size, PAGE))
  const end = text.indexOf(0)
  return end < 0 ? text : text.subarray(0, end)
}
