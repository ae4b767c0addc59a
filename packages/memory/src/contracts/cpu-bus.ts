/**
 * The CPU seam: all that software on a guest CPU can touch. Firmware and guest learn about the machine through this
 * and nothing else.
 *
 * Synchronous. Words are little-endian and unsigned. Addresses are guest-physical, Numbers below 2^53. An access where
 * nothing answers reads as all ones and writes are dropped, as on a PC; it never throws.
 */
export interface CpuBus {
  read8(address: number): number
  read16(address: number): number
  read32(address: number): number
  write8(address: number, value: number): void
  write16(address: number, value: number): void
  write32(address: number, value: number): void
  /** Copies memory into `into`; the caller owns it. */
  readBytes(address: number, into: Uint8Array): void
  /** Copies `from` to memory. */
  writeBytes(address: number, from: Uint8Array): void
  /** Zeroes memory, where the processor has an instruction for that (DC ZVA, dcbz, REP STOS); else software writes zeroes. */
  clear?(address: number, length: number): void
  /** Port I/O, on machines that have it. */
  readonly ports?: PortBus
  /** System registers that belong to the machine rather than to the processor, on machines that have them. */
  readonly systemRegisters?: SystemRegisterBus
  /**
   * Lets the machine run until an interrupt is delivered to the CPU, and answers its vector; -1 where none came for
   * now. This is the only way in which I/O completes for a kernel. A processor whose interrupts bear no vector answers
   * 0, and its software asks the interrupt controller which interrupt it is.
   */
  nextInterrupt(): number
  /** True where nothing is pending anywhere: no device works, no interrupt waits. To wait longer is to hang. */
  idle(): boolean
  /** Fills `out` with EAX, EBX, ECX, EDX. */
  cpuid?(leaf: number, subleaf: number, out: Uint32Array): void
  /** Caches that hardware does not keep coherent with devices, on machines that have such. */
  readonly cache?: CacheBus
  /**
   * RAM is reached past caches and write buffers at its address plus this, on machines that have such: what a kernel
   * would have its page tables say of memory.
   */
  readonly uncachedOffset?: number
  setPageState?(page: number, state: 'private' | 'shared'): number
  /** 64-bit arguments and results as (lo, hi) pairs. Answers the platform's status code. */
  hypercall?(number: number, args: Uint32Array, out: Uint32Array): number
}

/** A data cache by address, as software maintains it. Addresses are those of the processor's own accesses. */
export interface CacheBus {
  /** Bytes of a line: what is maintained is whole lines. */
  readonly lineBytes: number
  /** Writes back what is dirty of [address, address + length), and keeps it. */
  clean(address: number, length: number): void
  /** Forgets it. Lines that it covers in part only are written back first. */
  invalidate(address: number, length: number): void
}

/**
 * System registers; values below 2^53. Of an Arm processor they are named by op0, op1, CRn, CRm, op2 in 16 bits; of a
 * MIPS one, they are those of coprocessor 0, named by register << 3 | select.
 */
export interface SystemRegisterBus {
  read(register: number): number
  write(register: number, value: number): void
}

/** Port I/O: 16-bit ports, unsigned values. */
export interface PortBus {
  in8(port: number): number
  in16(port: number): number
  in32(port: number): number
  out8(port: number, value: number): void
  out16(port: number, value: number): void
  out32(port: number, value: number): void
}
