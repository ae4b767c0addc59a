import type { QemuVersion } from '../../description.ts'
import { connectorIndex } from './connectors.ts'
import type { PseriesFacts } from './tree-facts.ts'
import type { TreeNode } from './tree-node.ts'

/** A family of processors that pseries takes. */
interface ProcessorFamily {
  /** Name of its nodes. */
  readonly node: string
  /** Processor version register, by release. */
  readonly version: Readonly<Record<QemuVersion, number>>
  /** It can use radix page tables, and with them XIVE. */
  readonly isa3: boolean
  /** ibm,pa-features, where we know it. */
  readonly features: Readonly<Partial<Record<QemuVersion, readonly number[]>>>
}

/** ibm,pa-features of ISA 3.0: its length, then a bit a feature. The release decides on ordered storage (bit 4.0). */
const isa3Features = (storageOrder: number): readonly number[] => {
  const bytes = new Array<number>(68).fill(0)
  bytes.splice(0, 9, 66, 0, 0xf6, 0x3f, 0xc7, 0xc0, storageOrder, 0xf0, 0x80)
  for (const at of [18, 20, 22, 26, 28, 30, 32, 34]) bytes[at] = 0x80
  for (let at = 38; at < 66; at += 2) bytes[at] = 0x80
  bytes[36] = 0xc0
  return bytes
}

/** Of ISA 2.07. */
const isa207Features = (): readonly number[] => {
  const bytes = new Array<number>(26).fill(0)
  bytes.splice(0, 9, 24, 0, 0xf6, 0x3f, 0xc7, 0xc0, 0x80, 0xf0, 0x80)
  for (const at of [18, 20, 22]) bytes[at] = 0x80
  return bytes
}

const POWER9: ProcessorFamily = {
  node: 'PowerPC,POWER9',
  version: { '7.2': 0x4e_1200, '11.1': 0x4e_1202 },
  isa3: true,
  features: { '7.2': isa3Features(0x80) },
}
const POWER8: ProcessorFamily = {
  node: 'PowerPC,POWER8',
  version: { '7.2': 0x4d_0200, '11.1': 0x4d_0200 },
  isa3: false,
  features: { '7.2': isa207Features() },
}
const POWER10: ProcessorFamily = {
  node: 'PowerPC,POWER10',
  version: { '7.2': 0x80_0200, '11.1': 0x80_1200 },
  isa3: true,
  features: { '7.2': isa3Features(0x80) },
}
const POWER11: ProcessorFamily = {
  node: 'PowerPC,POWER11',
  version: { '7.2': 0x82_1200, '11.1': 0x82_1200 },
  isa3: true,
  features: {},
}

/** What pseries runs on where `-cpu` does not say. */
export const DEFAULT_PROCESSOR: Readonly<Record<QemuVersion, string>> = { '7.2': 'power9', '11.1': 'power11' }

/** The family that a name of `-cpu` belongs to: `power9`, `POWER9`, `power9_v2.2`; options behind a comma do not count. */
export function processorFamily(cpu: string): ProcessorFamily | null {
  const name = cpu.split(',')[0]!.toLowerCase()
  if (/^power8(e|nvl)?(_v\d\.\d)?$/.test(name)) return POWER8
  if (/^power9(_v\d\.\d)?$/.test(name)) return POWER9
  if (/^power10(_v\d\.\d)?$/.test(name)) return POWER10
  if (/^power11(_v\d\.\d)?$/.test(name)) return POWER11
  return null
}

/** The nodes of cores. On QEMU 7.2 they are whole; of others, properties that we do not know are left out. */
export function addProcessors(node: TreeNode, facts: PseriesFacts): void {
  const family = processorFamily(facts.cpu) ?? POWER9
  const { cores, threads } = facts.topology
  for (let index = facts.cpus - threads; index >= 0; index -= threads) {
    const servers = Array.from({ length: threads }, (_, thread) => index + thread)
    const cpu = node.add(`${family.node}@${index.toString(16)}`)
    cpu.set('ibm,my-drc-index', connectorIndex('cpu', index))
    cpu.set('reg', index)
    cpu.set('device_type', 'cpu')
    cpu.set('cpu-version', family.version[facts.qemuVersion])
    for (const name of ['d-cache-block-size', 'd-cache-line-size', 'i-cache-block-size', 'i-cache-line-size']) {
      cpu.set(name, 0x80)
    }
    cpu.set('d-cache-size', 0x8000)
    cpu.set('i-cache-size', 0x8000)
    cpu.set('timebase-frequency', 512_000_000)
    cpu.set('clock-frequency', 1_000_000_000)
    cpu.set('slb-size', 32)
    cpu.set('ibm,slb-size', 32)
    cpu.set('status', 'okay')
    cpu.set('64-bit', true)
    cpu.set('ibm,purr', 1)
    cpu.set('ibm,spurr', 1)
    cpu.set('ibm,processor-segment-sizes', [28, 40, 0xffff_ffff, 0xffff_ffff])
    cpu.set('ibm,vmx', 2)
    cpu.set('ibm,dfp', 1)
    cpu.set('ibm,segment-page-sizes', [12, 0, 1, 12, 0, 16, 0x110, 1, 16, 1])
    const features = family.features[facts.qemuVersion]
    if (features !== undefined) cpu.set('ibm,pa-features', Uint8Array.from(features))
    if (facts.qemuVersion !== '7.2') cpu.set('ibm,pi-features', Uint8Array.of(1, 0, 0))
    cpu.set('ibm,chip-id', Math.floor(index / (cores * threads)))
    // The table can grow with memory.
    cpu.set('ibm,pft-size', [0, hashTableShift(facts.memory)])
    cpu.set('ibm,ppc-interrupt-server#s', servers)
    cpu.set(
      'ibm,ppc-interrupt-gserver#s',
      servers.flatMap((server) => [server, 0]),
    )
    if (!family.isa3) continue
    cpu.set('ibm,processor-radix-AP-encodings', [0x0c, 0xa000_0010, 0x2000_0015, 0x4000_001e])
    cpu.set('ibm,dec-bits', 56)
  }
}

/** log2 of the hash table's bytes: a 128th of memory, rounded up to a power of two; from 256 KiB to 64 TiB. */
const hashTableShift = (memory: number): number => Math.min(Math.max(Math.ceil(Math.log2(memory)) - 7, 18), 46)
