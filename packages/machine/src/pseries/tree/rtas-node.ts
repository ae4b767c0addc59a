import { FIRST_RTAS_TOKEN, RTAS_CALLS, type RtasCall } from '../spec/rtas-tokens.ts'
import { deviceMemory, MEMORY_BLOCK } from './device-memory.ts'
import type { PseriesFacts } from './tree-facts.ts'
import { type TreeNode, u64Cells } from './tree-node.ts'

const HYPERTAS = [
  'hcall-pft',
  'hcall-term',
  'hcall-dabr',
  'hcall-interrupt',
  'hcall-tce',
  'hcall-vio',
  'hcall-splpar',
  'hcall-join',
  'hcall-bulk',
  'hcall-set-mode',
  'hcall-sprg0',
  'hcall-copy',
  'hcall-debug',
  'hcall-vphn',
  'hcall-multi-tce',
  'hcall-hpt-resize',
  'hcall-watchdog',
]
/** What sets sources of a XICS. */
const XICS_CALLS: readonly RtasCall[] = ['ibm,set-xive', 'ibm,get-xive', 'ibm,int-off', 'ibm,int-on']
const RTAS_BLOB = 20
const ERROR_LOG_MOST = 0x800

/**
 * ibm,lrdr-capacity begins with the end of the memory that may ever be: where no memory can be plugged in, 7.2 says 0,
 * and later releases say where RAM ends. Linux sizes its dynamic DMA windows by it.
 */
function memoryEnd({ qemuVersion, memory, maxMemory }: PseriesFacts): number {
  return deviceMemory(memory, maxMemory)?.end ?? (qemuVersion === '7.2' ? 0 : memory)
}

export function addRtas(root: TreeNode, facts: PseriesFacts): void {
  const node = root.add('rtas')
  node.set('ibm,hypertas-functions', HYPERTAS)
  node.set('qemu,hypertas-functions', 'hcall-memop1')
  node.set('ibm,associativity-reference-points', [4, 4, 2])
  node.set('ibm,max-associativity-domains', [4, 0, 0, 0, 1])
  node.set('rtas-size', RTAS_BLOB + ERROR_LOG_MOST + facts.maxCpus * 16 + 8)
  node.set('rtas-error-log-max', ERROR_LOG_MOST)
  node.set('rtas-event-scan-rate', 1)
  node.set('ibm,change-msix-capable', true)
  node.set('ibm,extended-os-term', true)
  node.set('ibm,lrdr-capacity', [...u64Cells(memoryEnd(facts)), ...u64Cells(MEMORY_BLOCK), facts.maxCpus])
  const xics = facts.interrupts.offered !== 'xive'
  for (const [index, name] of RTAS_CALLS.entries()) {
    if (xics || !XICS_CALLS.includes(name)) node.set(name, FIRST_RTAS_TOKEN + index)
  }
}
