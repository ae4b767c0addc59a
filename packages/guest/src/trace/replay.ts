import type { CpuBus, PortBus, SystemRegisterBus } from '@dmascope/memory/contracts'
import { crc32 } from '../checksum.ts'
import { type CpuOperation, type CpuTrace, hexToBytes } from './cpu-trace.ts'

/** What a machine without hypervisor answers: no such function. */
const H_FUNCTION = -2
/** What a machine says to a page that it has not. */
const NO_SUCH_PAGE = -1

/** A machine made of a recording. */
export interface ReplayedBus extends CpuBus {
  /** Where the guest first did something other than what was recorded; null while it has not. */
  readonly divergence: string | null
  /** Recorded operations that the guest has not come to. */
  readonly remaining: number
}

const show = (operation: CpuOperation | undefined): string =>
  operation === undefined
    ? 'the end'
    : operation
        .map((part) => (typeof part === 'number' && part > 9 ? `0x${part.toString(16)}` : String(part).slice(0, 32)))
        .join(' ')

/**
 * Plays a recording back, with no machine behind it: reads get what they got then, writes are compared with those that
 * were made then.
 *
 * From the first difference on there is nothing to answer with. The bus then behaves as a machine on which nothing
 * answers (reads give all ones, no interrupts come, nothing is pending), and tells the difference as `divergence`.
 */
export function replayCpuBus(trace: CpuTrace): ReplayedBus {
  let next = 0
  let divergence: string | null = null

  /** The recorded operation where it is of this kind and place, else null. */
  const take = (
    kind: CpuOperation[0],
    matches: (operation: CpuOperation) => boolean,
    did: string,
  ): CpuOperation | null => {
    if (divergence !== null) return null
    const recorded = trace.operations[next]
    if (recorded === undefined || recorded[0] !== kind || !matches(recorded)) {
      divergence = `operation ${next}: the guest did ${did}, recorded was ${show(recorded)}`
      return null
    }
    next++
    return recorded
  }
  const hex = (value: number): string => `0x${value.toString(16)}`
  const read = (kind: 'r' | 'i', width: 1 | 2 | 4, at: number): number => {
    const found = take(kind, (one) => one[1] === width && one[2] === at, `${kind} ${width} ${hex(at)}`)
    return found === null ? (width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1) : (found[3] as number)
  }
  const write = (kind: 'w' | 'o', width: 1 | 2 | 4, at: number, value: number): void => {
    const same = (one: CpuOperation): boolean => one[1] === width && one[2] === at && one[3] === value
    take(kind, same, `${kind} ${width} ${hex(at)} ${hex(value)}`)
  }
  const ports: PortBus = {
    in8: (port) => read('i', 1, port),
    in16: (port) => read('i', 2, port),
    in32: (port) => read('i', 4, port),
    out8: (port, value) => write('o', 1, port, value),
    out16: (port, value) => write('o', 2, port, value),
    out32: (port, value) => write('o', 4, port, value),
  }
  const maintain = (what: 'clean' | 'invalidate', address: number, length: number): void => {
    const same = (one: CpuOperation): boolean => one[1] === what && one[2] === address && one[3] === length
    take('k', same, `k ${what} ${hex(address)} ${hex(length)}`)
  }
  const systemRegisters: SystemRegisterBus = {
    read(register) {
      const found = take('s', (one) => one[1] === register, `s ${hex(register)}`)
      return found === null ? 0 : (found[2] as number)
    },
    write(register, value) {
      take('S', (one) => one[1] === register && one[2] === value, `S ${hex(register)} ${hex(value)}`)
    },
  }
  return {
    get divergence() {
      return divergence
    },
    get remaining() {
      return trace.operations.length - next
    },
    read8: (address) => read('r', 1, address),
    read16: (address) => read('r', 2, address),
    read32: (address) => read('r', 4, address),
    write8: (address, value) => write('w', 1, address, value),
    write16: (address, value) => write('w', 2, address, value),
    write32: (address, value) => write('w', 4, address, value),
    readBytes(address, into) {
      const same = (one: CpuOperation): boolean => one[1] === address && String(one[2]).length === into.length * 2
      const found = take('R', same, `R ${hex(address)} of ${into.length} bytes`)
      if (found === null) into.fill(0xff)
      else hexToBytes(found[2] as string, into)
    },
    writeBytes(address, from) {
      const sum = crc32(from)
      const same = (one: CpuOperation): boolean => one[1] === address && one[2] === from.length && one[3] === sum
      take('W', same, `W ${hex(address)} of ${from.length} bytes, checksum ${hex(sum)}`)
    },
    nextInterrupt() {
      const found = take('v', () => true, 'a wait for an interrupt')
      return found === null ? -1 : (found[1] as number)
    },
    idle() {
      const found = take('z', () => true, 'a question whether the machine is idle')
      return found === null ? true : found[1] === 1
    },
    ...(trace.ports && { ports }),
    ...(trace.cacheLineBytes !== undefined && {
      cache: {
        lineBytes: trace.cacheLineBytes,
        clean: (address: number, length: number) => maintain('clean', address, length),
        invalidate: (address: number, length: number) => maintain('invalidate', address, length),
      },
    }),
    ...(trace.uncachedOffset !== undefined && { uncachedOffset: trace.uncachedOffset }),
    ...(trace.systemRegisters && { systemRegisters }),
    ...(trace.cpuid && {
      cpuid(leaf: number, subleaf: number, out: Uint32Array): void {
        const found = take('c', (one) => one[1] === leaf && one[2] === subleaf, `c ${hex(leaf)} ${subleaf}`)
        out.fill(0)
        if (found !== null) out.set((found[3] as readonly number[]).slice(0, out.length))
      },
    }),
    ...(trace.pageStates && {
      setPageState(page: number, state: 'private' | 'shared'): number {
        const shared = state === 'shared' ? 1 : 0
        const found = take('p', (one) => one[1] === page && one[2] === shared, `p ${hex(page)} ${shared}`)
        return found === null ? NO_SUCH_PAGE : (found[3] as number)
      },
    }),
    ...(trace.hypercalls && {
      hypercall(number: number, args: Uint32Array, out: Uint32Array): number {
        const words = args.join()
        const same = (one: CpuOperation): boolean => one[1] === number && String(one[2]) === words
        const found = take('h', same, `h ${hex(number)} ${[...args].map(hex).join(' ')}`)
        out.fill(0)
        if (found === null) return H_FUNCTION
        out.set((found[4] as readonly number[]).slice(0, out.length))
        return found[3] as number
      },
    }),
  }
}
