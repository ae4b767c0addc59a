import { DmascopeError } from '@dmascope/layout'
import { parseKernelCommandLine } from './kernel-command-line.ts'

/**
 * Parameters of a PC's kernel that change which devices it finds, or how it has interrupts or DMA, and what they would
 * make of it. Those that move BARs or leave memory unused (`pci=realloc`, `mem=`) change nothing of that.
 */
const UNMODELLED: readonly { readonly parameter: RegExp; readonly effect: string; readonly instead?: string }[] = [
  {
    parameter: /^acpi=(off|noirq|ht)/,
    effect:
      'a kernel without the ACPI tables, which goes by tables for multiprocessors and plugs devices below ports in anew',
  },
  { parameter: /^(nolapic|disableapic)$/, effect: 'a kernel without the APICs' },
  { parameter: /^apic=off/, effect: 'a kernel without the APICs' },
  { parameter: /^pci=(.*,)?(off|noacpi|conf2)(,|$)/, effect: 'another way to find PCI' },
  {
    parameter: /^pcie_acs_override=/,
    effect:
      'a kernel with a certain out-of-tree patch believe that devices are isolated which are not (no release of Linux knows the word)',
    instead:
      'leave it out to see what Linux does; with QEMU, put the device behind a pcie-root-port of its own, which has ACS',
  },
]

/**
 * Refuses a kernel command line whose outcome nobody here can tell: better no report than a wrong one.
 *
 * @param where - for the message: where the line was written
 * @throws DmascopeError GUEST_NOT_MODELLED naming the parameter
 */
export function refuseUnmodelledParameters(commandLine: string, where: string): void {
  for (const { name, value } of parseKernelCommandLine(commandLine).parameters) {
    const written = value === null ? name : `${name}=${value}`
    const found = UNMODELLED.find(({ parameter }) => parameter.test(written))
    if (found === undefined) continue
    throw new DmascopeError(
      'GUEST_NOT_MODELLED',
      `${where}: '${written}' makes ${found.effect}, which is not modelled${found.instead === undefined ? ' yet; leave it out' : `; ${found.instead}`}`,
      { where, parameter: written },
    )
  }
}
