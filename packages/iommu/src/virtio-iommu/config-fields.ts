import type { FeatureBits, VirtioHost } from '@dmascope/virtio-pci'
import type { VirtioIommuFeatures } from './options.ts'
import { VIRTIO_IOMMU_FEATURES, virtio_iommu_config } from './spec/config.ts'

const { fields } = virtio_iommu_config
const BYPASS_CONFIG = VIRTIO_IOMMU_FEATURES.fields.VIRTIO_IOMMU_F_BYPASS_CONFIG

/** The device's configuration (virtio 1.3 §5.13.4), of which a driver may write `bypass` alone. */
export class ConfigSpaceFields {
  readonly size = virtio_iommu_config.size
  readonly #view = new DataView(new ArrayBuffer(virtio_iommu_config.size))
  readonly #changed: () => void
  readonly #offered: boolean
  #host: VirtioHost | null = null
  #negotiated = false

  /** @param changed - called where `bypass` has another value than before */
  constructor(features: VirtioIommuFeatures, changed: () => void) {
    const { granule, inputBits, domainRange, probeSize, bypass, bootBypass } = features
    const view = this.#view
    this.#changed = changed
    this.#offered = bypass === 'config'
    fields.page_size_mask.lo.set(view, 0, -granule >>> 0)
    fields.page_size_mask.hi.set(view, 0, 0xffff_ffff)
    fields.input_range.fields.end.lo.set(view, 0, 0xffff_ffff)
    fields.input_range.fields.end.hi.set(view, 0, inputBits === 64 ? 0xffff_ffff : 2 ** (inputBits - 32) - 1)
    fields.domain_range.fields.start.set(view, 0, domainRange.start)
    fields.domain_range.fields.end.set(view, 0, domainRange.end)
    fields.probe_size.set(view, 0, probeSize)
    fields.bypass.set(view, 0, this.#offered && bootBypass ? 1 : 0)
  }

  get bypass(): boolean {
    return fields.bypass.get(this.#view, 0) === 1
  }

  activate(negotiated: FeatureBits, host: VirtioHost): void {
    this.#negotiated = (negotiated.lo & BYPASS_CONFIG.loMask) !== 0
    this.#host = host
  }

  reset(): void {
    this.#host = null
  }

  read(offset: number, width: 1 | 2 | 4): number {
    let value = 0
    for (let index = 0; index < width; index++) value |= this.#view.getUint8(offset + index) << (8 * index)
    return value >>> 0
  }

  /** What a driver must not write makes the device need a reset, as QEMU has it; before DRIVER_OK it is dropped. */
  write(offset: number, width: 1 | 2 | 4, value: number): void {
    const at = fields.bypass.offset - offset
    if (at < 0 || at >= width) return
    const written = (value >>> (8 * at)) & 0xff
    if (written === fields.bypass.get(this.#view, 0)) return
    // Until the driver is ready, what it negotiated is not known here.
    if (!this.#offered || (this.#host !== null && !this.#negotiated)) {
      this.#host?.needsReset('bypass was written, and VIRTIO_IOMMU_F_BYPASS_CONFIG was not negotiated')
    } else if (written > 1) {
      this.#host?.needsReset(`bypass was written ${written}; it is 0 or 1`)
    } else {
      fields.bypass.set(this.#view, 0, written)
      this.#changed()
    }
  }
}
