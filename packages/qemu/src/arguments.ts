import { OPTIONS } from './option-table.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

/** One option with its argument, in the order of the command line. */
export interface Argument {
  /** Without dashes: `device`. */
  readonly name: string
  /** Empty where the option takes none. */
  readonly value: string
  readonly place: Place
}

const PROGRAM = /(?:^|[\\/])qemu(?:-system-([a-z0-9_]+)|-kvm)?(?:\.exe)?$/i
const PROGRAM_PATHS = /^(?:kvm|qemu-kvm|qemu)$/

/** Architectures whose machines are modelled, as QEMU's programs are named. */
export type Architecture = 'x86_64' | 'aarch64' | 'ppc' | 'ppc64' | 'sparc64' | 's390x'

/** A command line, split. */
export interface SplitCommandLine {
  readonly architecture: Architecture
  readonly options: readonly Argument[]
}

const MODELLED: Readonly<Record<string, Architecture>> = {
  x86_64: 'x86_64',
  i386: 'x86_64',
  aarch64: 'aarch64',
  ppc: 'ppc',
  ppc64: 'ppc64',
  sparc64: 'sparc64',
  s390x: 's390x',
}

/** A program's architecture; null for a word that names none of QEMU's. */
function architectureOf(word: string): string | null {
  const match = PROGRAM.exec(word)
  if (match !== null) return match[1] ?? 'x86_64'
  return PROGRAM_PATHS.test(word.split(/[\\/]/).at(-1)!) ? 'x86_64' : null
}

/**
 * Where the program stands: among the words before the first option, after what the shell takes for itself
 * (`LC_ALL=C`, as libvirt logs it; `sudo`). -1 where the command line begins with an option.
 */
function programIndex(args: readonly string[]): number {
  const option = args.findIndex((word) => word.startsWith('-'))
  const leading = option < 0 ? args : args.slice(0, option)
  return leading.findIndex((word) => architectureOf(word) !== null)
}

const shown = (text: string): string => (text.length > 240 ? `${text.slice(0, 237)}...` : text)

/**
 * Splits a command line into options. Arguments are counted from 1, the program's name and what stands before it not
 * counted.
 *
 * @throws DmascopeError QEMU_ARCHITECTURE, QEMU_UNKNOWN_OPTION, QEMU_MISSING_ARGUMENT or QEMU_OPTION_REFUSED
 */
export function readArguments(args: readonly string[]): SplitCommandLine {
  const skip = programIndex(args) + 1
  const program = skip === 0 ? '' : args[skip - 1]!
  const named = architectureOf(program) ?? 'x86_64'
  const architecture = Object.hasOwn(MODELLED, named) ? MODELLED[named] : undefined
  if (architecture === undefined) {
    throw refusal(
      'QEMU_ARCHITECTURE',
      { text: program, written: program },
      `machines of ${named} are not modelled yet; qemu-system-x86_64, qemu-system-aarch64, qemu-system-ppc, qemu-system-ppc64, qemu-system-sparc64 and qemu-system-s390x are`,
      { architecture: named },
    )
  }
  const options: Argument[] = []
  for (let index = skip; index < args.length; index++) {
    const number = index - skip + 1
    const word = args[index]!
    if (!word.startsWith('-') || word === '-') {
      // QEMU takes a word without a dash for the image of the first hard disk.
      options.push({
        name: 'hda',
        value: word,
        place: { text: `argument ${number} (${shown(word)})`, written: word },
      })
      continue
    }
    const name = word.replace(/^--?/, '')
    const spec = OPTIONS.get(name)
    const bare = { text: `argument ${number} (${shown(word)})`, written: word }
    if (spec === undefined) {
      throw unknownName('QEMU_UNKNOWN_OPTION', bare, 'invalid option', name, [...OPTIONS.keys()])
    }
    if (spec.treatment === 'refused') {
      throw refusal('QEMU_OPTION_REFUSED', bare, spec.reason ?? 'not modelled', { option: name })
    }
    if (!spec.argument) {
      options.push({ name, value: '', place: bare })
      continue
    }
    const value = args[++index]
    if (value === undefined) throw refusal('QEMU_MISSING_ARGUMENT', bare, 'requires an argument', { option: name })
    const written = `${word} ${value}`
    options.push({ name, value, place: { text: `argument ${number} (${shown(written)})`, written } })
  }
  return { architecture, options }
}
