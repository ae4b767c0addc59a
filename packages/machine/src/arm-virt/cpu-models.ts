import { DmascopeError, nearestName } from '@dmascope/layout'
import type { QemuVersion } from '../description.ts'

/** A processor of QEMU's, as far as a machine's layout and its tables go. */
export interface CpuModel {
  readonly name: string
  /** `compatible` in the device tree. */
  readonly compatible: string
  /** ID_AA64MMFR0_EL1.PARange, in bits. */
  readonly addressBits: number
  /** It has the virtualization host extensions. */
  readonly vhe: boolean
  /** It tags memory, where the machine has tags: `mte=on`. */
  readonly taggedMemory: boolean
  /** First-level caches, as the tree of newer releases has them. */
  readonly caches: { readonly instruction: Cache; readonly data: Cache }
}

interface Cache {
  readonly size: number
  readonly lineSize: number
  readonly sets: number
}

const KIB = 1024
const cache = (size: number, sets: number, lineSize = 64): Cache => ({ size: size * KIB, lineSize, sets })

interface ModelInput {
  readonly compatible?: string
  /** Virtualization host extensions, and with them a virtual timer of EL2. */
  readonly vhe?: boolean
  /** Memory tagging. */
  readonly taggedMemory?: boolean
}

const model = (
  name: string,
  addressBits: number,
  instruction: Cache,
  data: Cache,
  { compatible = `arm,${name}`, vhe = false, taggedMemory = false }: ModelInput = {},
): CpuModel => ({ name, compatible, addressBits, vhe, taggedMemory, caches: { instruction, data } })
const LARGE = cache(64, 256)

/** Processors of 64 bits that `virt` takes. */
const MODELS: readonly CpuModel[] = [
  model('cortex-a35', 40, cache(32, 128), cache(32, 128)),
  model('cortex-a53', 40, cache(32, 512), cache(32, 128)),
  model('cortex-a55', 40, cache(32, 128), cache(32, 128), { vhe: true }),
  model('cortex-a57', 44, cache(48, 256), cache(32, 128)),
  model('cortex-a72', 44, cache(48, 256), cache(32, 128)),
  model('cortex-a76', 40, LARGE, LARGE, { vhe: true }),
  model('cortex-a710', 40, LARGE, LARGE, { vhe: true, taggedMemory: true }),
  model('neoverse-n1', 48, LARGE, LARGE, { vhe: true }),
  model('neoverse-n2', 48, LARGE, LARGE, { vhe: true, taggedMemory: true }),
  model('neoverse-v1', 48, LARGE, LARGE, { vhe: true }),
  model('a64fx', 48, cache(64, 64, 256), cache(64, 64, 256), { vhe: true }),
  // It says that it is a Cortex-A57.
  model('max', 52, LARGE, LARGE, { compatible: 'arm,cortex-a57', vhe: true, taggedMemory: true }),
]
const NEWER: readonly string[] = ['cortex-a55', 'cortex-a710', 'neoverse-n2', 'neoverse-v1']
const SMALLER: readonly string[] = ['cortex-a7', 'cortex-a15']

/** What QEMU takes where no processor is named. */
const DEFAULT_CPU = 'cortex-a15'

/**
 * The processor that `-cpu` names; features behind a comma change nothing here.
 *
 * @throws DmascopeError MACHINE_CPU, MACHINE_NOT_MODELLED
 */
export function cpuModel(written: string | undefined, version: QemuVersion): CpuModel {
  const name = (written ?? DEFAULT_CPU).split(',')[0]!
  const known = MODELS.filter((one) => version !== '7.2' || !NEWER.includes(one.name))
  const found = known.find((one) => one.name === name)
  if (found !== undefined) return found
  if (SMALLER.includes(name)) {
    const text = written === undefined ? `${name}, which virt takes where -cpu names none,` : `-cpu ${name}`
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `${text} has 32 bits, and the kernels here have 64; write -cpu cortex-a57 or -cpu max`,
      { cpu: name },
    )
  }
  if (name === 'host') {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      "-cpu host is the host's own processor, and there is no host here; write -cpu cortex-a57 or -cpu max",
      { cpu: name },
    )
  }
  const names = known.map((one) => one.name)
  const nearest = nearestName(name, names)
  throw new DmascopeError(
    'MACHINE_CPU',
    `unable to find CPU model '${name}'; ${nearest === null ? `virt takes ${names.join(', ')}` : `did you mean '${nearest}'?`}`,
    { cpu: name, nearest },
  )
}
