import type { Architecture } from '../architecture/architecture-name.ts'

/** Words of a kernel command line that bear on DMA and interrupts. Undefined means that nothing was said. */
export interface KernelCommandLine {
  readonly text: string
  /** `intel_iommu=on`, `=off`. */
  readonly intelIommu: boolean | undefined
  /** `intel_iommu=tboot_noforce`: a measured launch does not turn it on. */
  readonly tbootNoForce: boolean
  /** `intel_iommu=sp_off`: no superpages. */
  readonly superpages: boolean
  /** `intel_iommu=sm_on`, `=sm_off`: scalable mode. */
  readonly scalableMode: boolean | undefined
  /** `intel_iommu=igfx_off`. */
  readonly graphicsUnitsOff: boolean
  readonly amdIommu: {
    /** `amd_iommu=off`. */
    readonly off: boolean
  }
  /** `iommu=off`: no IOMMU driver at all. */
  readonly iommuOff: boolean
  /** `iommu.passthrough=`; on x86 `iommu=pt`, `iommu=nopt`. */
  readonly passthrough: boolean | undefined
  /** `iommu.strict=`, `intel_iommu=strict`. */
  readonly strict: boolean | undefined
  /** `iommu.forcedac=`, `intel_iommu=forcedac`: no preference for addresses below 4 GiB. */
  readonly forceDac: boolean
  readonly interruptRemapping: {
    /** `intremap=off`, `nointremap`. */
    readonly off: boolean
    /** `intremap=nosid`: source IDs are not verified. */
    readonly noSourceId: boolean
  }
  /** `iommu=soft`: bounce buffers, whether memory calls for them or not. */
  readonly softIommu: boolean
  readonly swiotlb: {
    /** `swiotlb=32768`: slots of the pool; null without. */
    readonly slots: number | null
    /** `swiotlb=force`: all direct DMA is bounced. */
    readonly force: boolean
    /** `swiotlb=noforce`: there is no pool. */
    readonly disabled: boolean
  }
  /** `pci=nomsi`. */
  readonly noMsi: boolean
  /** `pci=nommconf`, `pci=conf1`: registers of PCI functions beyond the first 256 bytes are not reached. */
  readonly noEcam: boolean
  /** `noapic`: no I/O APIC, and so no remapping of interrupts. */
  readonly noApic: boolean
  /** `pci=disable_acs_redir=`, as written; null without. */
  readonly disableAcsRedirection: string | null
  /** `pci=config_acs=`, as written; null without. */
  readonly configAcs: string | null
  /** Every parameter up to `--`, in order; null where it has no value. Names have '_' for '-'. */
  readonly parameters: readonly { readonly name: string; readonly value: string | null }[]
  /** Values of the words above that the kernel would not know, as written: it says so and goes on. */
  readonly unknown: readonly string[]
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
type State = Mutable<Omit<KernelCommandLine, 'amdIommu' | 'interruptRemapping' | 'swiotlb' | 'unknown'>> & {
  readonly swiotlb: Mutable<KernelCommandLine['swiotlb']>
  readonly amdIommu: Mutable<KernelCommandLine['amdIommu']>
  readonly interruptRemapping: Mutable<KernelCommandLine['interruptRemapping']>
  readonly unknown: string[]
}

/** What Linux takes for a truth value; undefined for anything else. */
function truth(value: string | null): boolean | undefined {
  if (value === null) return undefined
  if (/^([yYtT1]|[oO][nN])/.test(value)) return true
  if (/^([nNfF0]|[oO][fF])/.test(value)) return false
  return undefined
}

// Linux compares as many letters as its own word has, so `on` also answers to `only`.
const wordOf = (part: string, words: readonly string[]): string | undefined =>
  words.find((word) => part.startsWith(word))

function intelIommu(state: State, part: string): boolean {
  switch (wordOf(part, ['on', 'off', 'igfx_off', 'forcedac', 'strict', 'sp_off', 'sm_on', 'sm_off', 'tboot_noforce'])) {
    case 'on':
      state.intelIommu = true
      return true
    case 'off':
      state.intelIommu = false
      return true
    case 'strict':
      state.strict = true
      return true
    case 'forcedac':
      state.forceDac = true
      return true
    case 'sp_off':
      state.superpages = false
      return true
    case 'igfx_off':
      state.graphicsUnitsOff = true
      return true
    case 'sm_on':
      state.scalableMode = true
      return true
    case 'sm_off':
      state.scalableMode = false
      return true
    case 'tboot_noforce':
      state.tbootNoForce = true
      return true
    default:
      return false
  }
}

/**
 * `force_enable` matters on hardware that is known to be broken, `force_isolation` to processors that share page tables
 * with devices; page tables are always the host's ("v1"), since no unit here has what the others need.
 */
function amdIommu(state: State, part: string): boolean {
  switch (
    wordOf(part, ['fullflush', 'force_enable', 'off', 'force_isolation', 'pgtbl_v1', 'pgtbl_v2', 'irtcachedis'])
  ) {
    case 'fullflush':
      state.strict = true
      return true
    case 'off':
      state.amdIommu.off = true
      return true
    default:
      return ['force_enable', 'force_isolation', 'pgtbl_v1', 'pgtbl_v2', 'irtcachedis'].some((word) =>
        part.startsWith(word),
      )
  }
}

function iommu(state: State, part: string): boolean {
  switch (wordOf(part, ['off', 'pt', 'nopt', 'soft'])) {
    case 'soft':
      state.softIommu = true
      return true
    case 'off':
      state.iommuOff = true
      return true
    case 'pt':
      state.passthrough = true
      return true
    case 'nopt':
      state.passthrough = false
      return true
    default:
      // Words about merging and double address cycles: none changes what an IOMMU does here. POWER’s own IOMMU code
      // looks for `nobypass` itself.
      return /^(force|noforce|biomerge|merge|nomerge|panic|nopanic|forcesac|allowdac|nodac|usedac|nobypass)/.test(part)
  }
}

function intremap(state: State, part: string): boolean {
  switch (wordOf(part, ['on', 'off', 'nosid', 'no_x2apic_optout', 'nopost'])) {
    case 'on':
      state.interruptRemapping.off = false
      return true
    case 'off':
      state.interruptRemapping.off = true
      return true
    case 'nosid':
      state.interruptRemapping.noSourceId = true
      return true
    default:
      return part.startsWith('no_x2apic_optout') || part.startsWith('nopost')
  }
}

const pci = (state: State, part: string): boolean => {
  if (part === 'nomsi') state.noMsi = true
  if (part === 'nommconf' || part === 'conf1') state.noEcam = true
  const acs = /^(disable_acs_redir|config_acs)=(.*)$/.exec(part)
  if (acs?.[1] === 'disable_acs_redir') state.disableAcsRedirection = acs[2]!
  if (acs?.[1] === 'config_acs') state.configAcs = acs[2]!
  return true
}

/** Slots are in whole segments, of which a pool has one at least. */
const SEGMENT_SLOTS = 128
const MOST_SLOTS = 2 ** 31

/** Linux's `setup_io_tlb_npages`: slots, areas, and one word, in this order; each may be missing. */
function swiotlb(state: State, text: string): void {
  const [, slots, word = ''] = /^(0x[0-9a-f]+|\d+)?,?(?:(?:0x[0-9a-f]+|\d+),?)?(.*)$/i.exec(text) ?? []
  if (slots !== undefined) {
    const wanted = Math.min(Number(slots), MOST_SLOTS)
    state.swiotlb.slots = Math.ceil(wanted / SEGMENT_SLOTS) * SEGMENT_SLOTS
  }
  if (word === 'force') state.swiotlb.force = true
  else if (word === 'noforce') state.swiotlb.disabled = true
  else if (word !== '') state.unknown.push(`swiotlb=${word}`)
}

type Lists = ReadonlyMap<string, (state: State, part: string) => boolean>

const LISTS: Lists = new Map([
  ['intel_iommu', intelIommu],
  ['amd_iommu', amdIommu],
  ['iommu', iommu],
  ['intremap', intremap],
  ['pci', pci],
])

/** Other architectures have no code for the words of x86; of `iommu=` those with one read what is not the default domain. */
const OTHER_LISTS: Lists = new Map([
  ['iommu', (state, part) => !/^(pt|nopt|soft)/.test(part) && iommu(state, part)],
  ['pci', pci],
])

/**
 * Reads a kernel command line as the kernel does: words in order, the last of contradicting ones wins, `-` and `_` are
 * the same in names, double quotes keep spaces together, and what follows `--` is not the kernel's. Never throws: a
 * kernel boots with any command line.
 *
 * @param architecture - what the kernel was built for: `iommu=pt` is a word of x86 alone
 */
export function parseKernelCommandLine(text: string, architecture: Architecture = 'x86_64'): KernelCommandLine {
  const lists = architecture === 'x86_64' ? LISTS : OTHER_LISTS
  const parameters = split(text)
  const state: State = {
    text,
    intelIommu: undefined,
    tbootNoForce: false,
    superpages: true,
    scalableMode: undefined,
    graphicsUnitsOff: false,
    amdIommu: { off: false },
    iommuOff: false,
    passthrough: undefined,
    strict: undefined,
    forceDac: false,
    interruptRemapping: { off: false, noSourceId: false },
    softIommu: false,
    swiotlb: { slots: null, force: false, disabled: false },
    noMsi: false,
    noEcam: false,
    noApic: false,
    disableAcsRedirection: null,
    configAcs: null,
    parameters,
    unknown: [],
  }
  for (const { name, value } of parameters) {
    const list = lists.get(name)
    if (list && value !== null) {
      for (const part of value.split(',')) {
        if (part !== '' && !list(state, part)) state.unknown.push(`${name}=${part}`)
      }
      continue
    }
    if (name === 'swiotlb' && value !== null) swiotlb(state, value)
    if (name === 'nointremap') state.interruptRemapping.off = true
    if (name === 'noapic') state.noApic = true
    const flag = truth(value)
    if (!['iommu.passthrough', 'iommu.strict', 'iommu.forcedac'].includes(name)) continue
    if (flag === undefined) state.unknown.push(`${name}=${value ?? ''}`)
    else if (name === 'iommu.passthrough') state.passthrough = flag
    else if (name === 'iommu.strict') state.strict = flag
    else state.forceDac = flag
  }
  return state
}

function split(text: string): { name: string; value: string | null }[] {
  const parameters: { name: string; value: string | null }[] = []
  for (const word of text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []) {
    if (word === '--') break
    const equals = word.indexOf('=')
    const name = (equals < 0 ? word : word.slice(0, equals)).replaceAll('"', '').replaceAll('-', '_')
    parameters.push({ name, value: equals < 0 ? null : word.slice(equals + 1).replaceAll('"', '') })
  }
  return parameters
}
