import { type Bar, type BarOptions, barRegister } from './bar.ts'
import type { ConfigSpace } from './config-space.ts'
import { registerImage, withOwnMasks } from './register-image.ts'
import { PCI_EXT_CAP_ID_SRIOV } from './spec/capability.ts'
import { SRIOV_CAPABILITY, SRIOV_CONTROL, SRIOV_MANDATORY_PAGE_SIZES } from './spec/sriov.ts'

export interface SriovOptions {
  readonly offset: number
  /** How many virtual functions there can be, 1 to 65535: InitialVFs and TotalVFs. */
  readonly totalVfs: number
  /** Distance of the first one's routing ID from the physical function's own, and of each further one. */
  readonly firstVfOffset: number
  readonly vfStride: number
  readonly vfDeviceId: number
  /** BARs of one virtual function: memory alone. */
  readonly bars: readonly BarOptions[]
  /** Default: what every function must support. */
  readonly supportedPageSizes?: number
  /** Function number that this one depends on. Default 0, as QEMU's have it. */
  readonly dependencyLink?: number
}

const file = SRIOV_CAPABILITY.registers
const { VF_ENABLE, VF_MSE, ARI_CAPABLE_HIERARCHY } = SRIOV_CONTROL.fields
const PAGE = 4096

/**
 * The SR-IOV extended capability of a physical function. Software says in it how many virtual functions exist (`NumVFs`,
 * once `VF Enable` is set), and where their BARs are: one register for all, of which each has its part (§9.3.3.14).
 *
 * While VF Enable is set, NumVFs and System Page Size keep their values; with a NumVFs above TotalVFs, VF Enable stays
 * clear. Both writes are software's mistakes, of which the specification leaves open what comes.
 */
export class SriovCapability {
  readonly offset: number
  readonly totalVfs: number
  readonly firstVfOffset: number
  readonly vfStride: number
  readonly vfDeviceId: number
  readonly #config: ConfigSpace
  readonly #bars: readonly { readonly bar: Bar; readonly offset: number }[]
  readonly #supportedPageSizes: number
  readonly #hooks: (() => void)[] = []
  #enabled = 0
  /** VF Enable is set, be it for no function at all. */
  #held = false
  #pageSize = 1

  /**
   * @throws RangeError for numbers of functions that cannot be, BARs that are no memory BARs, and where the capability
   *   does not fit
   */
  constructor(config: ConfigSpace, options: SriovOptions) {
    const { totalVfs, firstVfOffset, vfStride } = options
    checkNumbers(totalVfs, firstVfOffset, vfStride)
    this.#config = config
    this.offset = options.offset
    this.totalVfs = totalVfs
    this.firstVfOffset = firstVfOffset
    this.vfStride = vfStride
    this.vfDeviceId = options.vfDeviceId
    this.#supportedPageSizes = options.supportedPageSizes ?? SRIOV_MANDATORY_PAGE_SIZES
    const read = registerImage(SRIOV_CAPABILITY, {
      INITIAL_VFS: totalVfs,
      TOTAL_VFS: totalVfs,
      FUNCTION_DEPENDENCY_LINK: options.dependencyLink ?? 0,
      FIRST_VF_OFFSET: firstVfOffset,
      VF_STRIDE: vfStride,
      VF_DEVICE_ID: options.vfDeviceId,
      SUPPORTED_PAGE_SIZES: this.#supportedPageSizes,
      SYSTEM_PAGE_SIZE: 1,
    })
    const image = withOwnMasks(read)
    this.#bars = options.bars.map((one) => {
      if (one.kind === 'io') throw new RangeError(`VF BAR ${one.bar}: virtual functions have no I/O space`)
      const { bar, image: register } = barRegister(one, 0)
      const at = file.VF_BAR0.offset + 4 * one.bar
      image.bytes.set(register.bytes, at)
      image.writeMask.set(register.writeMask, at)
      return { bar, offset: options.offset + at }
    })
    config.addExtendedCapability(PCI_EXT_CAP_ID_SRIOV, 1, image, options.offset)
    config.onWrite(options.offset + file.SRIOV_CONTROL.offset, SRIOV_CAPABILITY.size - file.SRIOV_CONTROL.offset, () =>
      this.#written(),
    )
  }

  /** How many virtual functions exist now: the first so many of all. */
  get enabledVfs(): number {
    return this.#enabled
  }

  get ariCapableHierarchy(): boolean {
    return ARI_CAPABLE_HIERARCHY.get(this.#control) === 1
  }

  /** Calls when virtual functions came or went, or may decode other addresses. */
  onChange(call: () => void): void {
    this.#hooks.push(call)
  }

  /** Where BAR `bar` of virtual function `index` (from 0) answers; null where it does not. */
  vfBarAddress(bar: number, index: number): number | null {
    if (index >= this.#enabled || VF_MSE.get(this.#control) === 0) return null
    const found = this.#bars.find((one) => one.bar.bar === bar)
    if (found === undefined) return null
    const base = this.#base(found)
    const address = base + index * this.#aperture(found.bar.size)
    return base === 0 || address + found.bar.size > Number.MAX_SAFE_INTEGER ? null : address
  }

  /** After the configuration space was reset: no virtual function is left. */
  reset(): void {
    this.#enabled = 0
    this.#held = false
    this.#pageSize = 1
    this.#changed()
  }

  get #control(): number {
    return this.#config.peek(this.offset + file.SRIOV_CONTROL.offset, 2)
  }

  #base({ bar, offset }: { readonly bar: Bar; readonly offset: number }): number {
    const low = (this.#config.peek(offset, 4) & ~0xf) >>> 0
    return (bar.is64 ? this.#config.peek(offset + 4, 4) * 2 ** 32 : 0) + low
  }

  /** A BAR's part of the register's range is a whole number of system pages. */
  #aperture(size: number): number {
    return Math.max(size, this.#pageSize * PAGE)
  }

  #written(): void {
    const config = this.#config
    const at = (register: { readonly offset: number }): number => this.offset + register.offset
    if (this.#held) {
      config.poke(at(file.NUM_VFS), 2, this.#enabled)
      config.poke(at(file.SYSTEM_PAGE_SIZE), 4, this.#pageSize)
    } else {
      const asked = config.peek(at(file.SYSTEM_PAGE_SIZE), 4) & this.#supportedPageSizes
      // One bit of those supported; of several, the lowest.
      this.#pageSize = asked === 0 ? this.#pageSize : (asked & -asked) >>> 0
      config.poke(at(file.SYSTEM_PAGE_SIZE), 4, this.#pageSize)
    }
    for (const { bar, offset } of this.#bars) this.#maskBar(bar.size, offset)
    const numVfs = config.peek(at(file.NUM_VFS), 2)
    let control = this.#control
    if (VF_ENABLE.get(control) === 1 && numVfs > this.totalVfs) {
      control = VF_ENABLE.setLo(control, 0)
      config.poke(at(file.SRIOV_CONTROL), 2, control)
    }
    this.#held = VF_ENABLE.get(control) === 1
    this.#enabled = this.#held ? numVfs : 0
    this.#changed()
  }

  /** Address bits below the part that a system page makes of a BAR read as zero. */
  #maskBar(size: number, offset: number): void {
    const aperture = this.#aperture(size)
    if (aperture === size) return
    const register = this.#config.peek(offset, 4)
    this.#config.poke(offset, 4, ((register & ~(aperture - 1)) | (register & 0xf)) >>> 0)
  }

  #changed(): void {
    for (const call of this.#hooks) call()
  }
}

function checkNumbers(totalVfs: number, firstVfOffset: number, vfStride: number): void {
  const within = (value: number, least: number): boolean => Number.isInteger(value) && value >= least && value <= 0xffff
  if (!within(totalVfs, 1)) throw new RangeError(`${totalVfs} virtual functions: 1 to 65535`)
  if (!within(firstVfOffset, 1)) throw new RangeError(`a first VF offset of ${firstVfOffset}: 1 to 65535`)
  if (!within(vfStride, totalVfs > 1 ? 1 : 0)) throw new RangeError(`a VF stride of ${vfStride}: 1 to 65535`)
  if (firstVfOffset + (totalVfs - 1) * vfStride > 0xffff) {
    throw new RangeError(`${totalVfs} virtual functions from ${firstVfOffset}, ${vfStride} apart, leave the segment`)
  }
}
