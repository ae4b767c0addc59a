/**
 * How devices see a machine's memory where no IOMMU stands between: the identity on most, another address on some, and
 * in a Xen domain the machine's own pages. Addresses are Numbers below 2^53.
 */
export interface BusView {
  /** What a report calls mappings made by it. */
  readonly kind: 'direct' | 'xen'
  /**
   * The bus address of [cpu, cpu + length).
   *
   * @returns null where it is not one piece on the bus, or the bus does not reach it
   */
  toBus(cpu: number, length: number): number | null
  /** One past the highest CPU address that a device reaches which can emit bus addresses below `busEnd`. */
  cpuEnd(busEnd: number): number
}

/** Bus addresses are the CPU's. */
export const IDENTITY_VIEW: BusView = { kind: 'direct', toBus: (cpu) => cpu, cpuEnd: (busEnd) => busEnd }

/** A range of memory that a bus sees at an address of its own: one entry of `dma-ranges`. */
export interface BusWindow {
  readonly cpu: number
  readonly bus: number
  readonly length: number
}

/** Memory through windows, each with an offset: what is in none is out of the bus's reach. */
export class WindowView implements BusView {
  readonly kind = 'direct'
  readonly #windows: readonly BusWindow[]

  /** @throws RangeError where a window is no piece of an address space of 2^53 bytes */
  constructor(windows: readonly BusWindow[]) {
    for (const { cpu, bus, length } of windows) {
      const ends = [cpu + length, bus + length]
      if ([cpu, bus, length].every((one) => Number.isSafeInteger(one) && one >= 0) && ends.every(Number.isSafeInteger))
        continue
      throw new RangeError(`no window: ${length} bytes at CPU ${cpu}, bus ${bus}`)
    }
    this.#windows = windows
  }

  toBus(cpu: number, length: number): number | null {
    for (const window of this.#windows) {
      if (cpu >= window.cpu && cpu + length <= window.cpu + window.length) return cpu - window.cpu + window.bus
    }
    return null
  }

  cpuEnd(busEnd: number): number {
    return Math.max(
      0,
      ...this.#windows.map(({ cpu, bus, length }) => cpu + Math.min(Math.max(busEnd - bus, 0), length)),
    )
  }
}
