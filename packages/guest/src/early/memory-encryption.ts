import type { CpuBus } from '@dmascope/memory/contracts'
import type { PageSharing } from '../dma/shared-memory.ts'

/** CPUID leaves and bits, and a register, of AMD's memory encryption (AMD64 APM volume 3, appendix E; volume 2, 15.34). */
const LARGEST_EXTENDED = 0x8000_0000
const MEMORY_ENCRYPTION = 0x8000_001f
const SEV_SUPPORTED = 1 << 1
const C_BIT_MASK = 0x3f
const SEV_STATUS = 0xc001_0131
const SEV_ENABLED = 1
/** A bit of a physical address. */
const LOWEST_C_BIT = 32
const HIGHEST_C_BIT = 51

const PAGE = 4096
const MIB = 0x10_0000

/** An encrypted guest's memory: the bit of an address that says that a page is private. */
export interface MemoryEncryption {
  readonly kind: 'AMD SEV'
  readonly bit: number
}

/** What Linux's `sme_enable` finds in a guest; null where memory is not encrypted. */
export function findMemoryEncryption(bus: CpuBus, log: (line: string) => void): MemoryEncryption | null {
  if (bus.cpuid === undefined || bus.setPageState === undefined) return null
  const out = new Uint32Array(4)
  bus.cpuid(LARGEST_EXTENDED, 0, out)
  if (out[0]! < MEMORY_ENCRYPTION) return null
  bus.cpuid(MEMORY_ENCRYPTION, 0, out)
  const [eax = 0, ebx = 0] = out
  if ((eax & SEV_SUPPORTED) === 0) return null
  if (((bus.systemRegisters?.read(SEV_STATUS) ?? 0) & SEV_ENABLED) === 0) return null
  const bit = ebx & C_BIT_MASK
  if (bit < LOWEST_C_BIT || bit > HIGHEST_C_BIT) return null
  log(`Memory Encryption Features active: AMD SEV, by bit ${bit} of an address`)
  return { kind: 'AMD SEV', bit }
}

/** Sharing by page tables: a page whose entry has no C-bit is as the hypervisor sees it. */
export const sharingByPageTables = (bus: CpuBus): PageSharing => {
  const each = (start: number, length: number, state: 'shared' | 'private'): boolean => {
    for (let at = start; at < start + length; at += PAGE) if (bus.setPageState?.(at / PAGE, state) !== 0) return false
    return true
  }
  return {
    share: (start, length) => each(start, length, 'shared'),
    unshare: (start, length) => each(start, length, 'private'),
  }
}

/** Linux's `sev_setup_arch`: all DMA is bounced, so the pool grows with memory. */
export const encryptedPoolBytes = (memoryBytes: number): number =>
  Math.min(Math.max(Math.floor((memoryBytes * 6) / 100), 64 * MIB), 1024 * MIB)
