import { ACS_CONTROL_REGISTER, PCI_EXT_CAP_ID_ACS } from '@dmascope/pci/spec'
import { type GuestProfile, KERNELS } from '../profile/guest-profile.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'
import { acsControlRegister } from './access-control-services.ts'
import type { ConfigAccess } from './config-access.ts'
import { enumerate, type RootBus } from './enumerate.ts'
import type { PciFunction } from './pci-function.ts'

const { SOURCE_VALIDATION, TRANSLATION_BLOCKING, P2P_REQUEST_REDIRECT, P2P_COMPLETION_REDIRECT, UPSTREAM_FORWARDING } =
  ACS_CONTROL_REGISTER.fields
const { P2P_EGRESS_CONTROL, DIRECT_TRANSLATED_P2P } = ACS_CONTROL_REGISTER.fields
const REDIRECTION = P2P_REQUEST_REDIRECT.loMask | P2P_COMPLETION_REDIRECT.loMask | P2P_EGRESS_CONTROL.loMask
const ALL =
  SOURCE_VALIDATION.loMask |
  TRANSLATION_BLOCKING.loMask |
  REDIRECTION |
  UPSTREAM_FORWARDING.loMask |
  DIRECT_TRANSLATED_P2P.loMask

/** What of a function a parameter may name it by. */
export type NamedFunction = Pick<
  PciFunction,
  'segment' | 'bus' | 'device' | 'function' | 'vendorId' | 'deviceId' | 'subsystemVendorId' | 'subsystemId' | 'parent'
>

/** What the command line says of Access Control Services, as it is written there. */
export interface AcsParameters {
  /** `pci=disable_acs_redir=<device>[; ...]` */
  readonly disableRedirection: string | null
  /** `pci=config_acs=<bits>@<device>[; ...]`, of Linux 6.11 and later. */
  readonly config: string | null
  /**
   * Since `config_acs` came, a bit that no parameter speaks of is left as firmware had it, for a function that one
   * speaks of: what the kernel itself turned on is lost. Before, the kernel's own stood.
   */
  readonly restoresFirmware: boolean
}

/** What the command line says to this kernel: null for nothing. Linux 4.19 brought the one, 6.11 the other. */
export function acsParameters(
  options: KernelCommandLine,
  { kernel }: Pick<GuestProfile, 'kernel'>,
): AcsParameters | null {
  const release = KERNELS.indexOf(kernel)
  const restoresFirmware = release >= KERNELS.indexOf('6.12')
  const disableRedirection = release >= KERNELS.indexOf('5.10') ? options.disableAcsRedirection : null
  const config = restoresFirmware ? options.configAcs : null
  return disableRedirection === null && config === null ? null : { disableRedirection, config, restoresFirmware }
}

/**
 * Enumerates, and then does with Access Control Services what the command line says, whether an IOMMU is going to be
 * used or not (Linux's `pci_enable_acs`).
 *
 * @param parameters - null where the command line says nothing of them
 */
export function enumerateByParameters(
  config: ConfigAccess,
  rootBuses: readonly RootBus[],
  enableAcs: boolean,
  parameters: AcsParameters | null,
  log: (line: string) => void,
): PciFunction[] {
  if (parameters === null) return enumerate(config, rootBuses, enableAcs, log)
  const silent = (): void => {}
  const firmware = new Map(enumerate(config, rootBuses, false, silent).map(({ id, acs }) => [id, acs?.control ?? 0]))
  for (const fn of enumerate(config, rootBuses, enableAcs, silent)) {
    const base = fn.extendedCapabilities.get(PCI_EXT_CAP_ID_ACS)
    if (fn.acs === null || base === undefined) continue
    const { control, width, misplaced } = acsControlRegister(base, fn)
    const wanted = fn.acs.control
    // Linux knows of those whose register lies elsewhere no more than how to end redirection.
    const only = misplaced ? { ...parameters, config: null, restoresFirmware: false } : parameters
    const settled = applyAcsParameters(only, fn, wanted, firmware.get(fn.id) ?? 0)
    if (settled === wanted) continue
    config.write(fn, control, width, settled)
    log(`pci ${fn.id}: Access Control Services 0x${settled.toString(16)} by the command line`)
  }
  return enumerate(config, rootBuses, false, log)
}

/** What becomes of a function's control register: `wanted` by the kernel itself, `firmware` what it found. */
export function applyAcsParameters(
  parameters: AcsParameters,
  fn: NamedFunction,
  wanted: number,
  firmware: number,
): number {
  const { disableRedirection, config, restoresFirmware } = parameters
  let control = wanted
  const set = (mask: number, bits: number): void => {
    control = ((restoresFirmware ? firmware : control) & ~mask) | (bits & mask)
  }
  if (disableRedirection !== null && isListed(disableRedirection.split(';'), fn)) set(REDIRECTION, 0)
  for (const entry of config?.split(';') ?? []) {
    const at = entry.indexOf('@')
    const bits = at < 0 ? null : parseBits(entry.slice(0, at))
    const named = bits === null ? null : names(entry.slice(at + 1), fn)
    // The kernel reads no further than what it cannot make sense of.
    if (bits === null || named === null) break
    if (!named) continue
    set(bits.mask, bits.set)
    break
  }
  return control
}

/** The first entry that names the function; what comes behind one that cannot be read is not looked at. */
function isListed(entries: readonly string[], fn: NamedFunction): boolean {
  for (const entry of entries) {
    const named = names(entry, fn)
    if (named !== false) return named === true
  }
  return false
}

/** From the right: bit 0 is source validation. 0 and 1 say what a bit is to be, x that it is not spoken of. */
function parseBits(text: string): { readonly mask: number; readonly set: number } | null {
  if (!/^[01xX]*$/.test(text)) return null
  let mask = 0
  let set = 0
  for (const [shift, letter] of [...text].reverse().entries()) {
    if (letter === 'x' || letter === 'X') continue
    if (shift > 15) return null
    mask |= 1 << shift
    if (letter === '1') set |= 1 << shift
  }
  return (mask & ~ALL) === 0 ? { mask, set } : null
}

/**
 * Whether a device as parameters write it is this one: `pci:vendor:device[:subvendor:subdevice]`, where 0 is any, or
 * `[segment:]bus:device.function` with a path of `/device.function` down from there. Null where it is neither.
 */
function names(text: string, fn: NamedFunction): boolean | null {
  const ids = /^pci:([\da-f]+):([\da-f]+)(?::([\da-f]+):([\da-f]+))?/i.exec(text)
  if (ids !== null) {
    const own = [fn.vendorId, fn.deviceId, fn.subsystemVendorId, fn.subsystemId]
    return own.every((id, index) => {
      const written = Number.parseInt(ids[index + 1] ?? '0', 16) & 0xffff
      return written === 0 || written === id
    })
  }
  const [start, ...path] = text.split('/')
  const first = /^(?:([\da-f]+):)?([\da-f]+):([\da-f]+)\.([\da-f]+)$/i.exec(start!)
  const steps = path.map((step) => /^([\da-f]+)\.([\da-f]+)$/i.exec(step))
  if (first === null || steps.includes(null)) return null
  let one: NamedFunction | null = fn
  for (const step of steps.reverse()) {
    if (one === null || !isAt(one, step![1]!, step![2]!)) return false
    one = one.parent
  }
  const [, segment = '0', bus, device, number] = first
  if (one === null || !isAt(one, device!, number!)) return false
  return one.segment === Number.parseInt(segment, 16) && one.bus === Number.parseInt(bus!, 16)
}

const isAt = (fn: NamedFunction, device: string, number: string): boolean =>
  fn.device === Number.parseInt(device, 16) && fn.function === Number.parseInt(number, 16)
