import { VIRTIO_PCI_GENERATION, VIRTIO_PCI_PROPERTIES, VIRTIO_PROPERTIES } from '../base-properties.ts'
import { backend, deviceModel, type ModelInput } from '../build-model.ts'
import type { DeviceModel, ModelKind, VirtioModel } from '../model.ts'
import { bearing, differs, type PropertyList, text, uint32 } from '../property-specs.ts'

/** A virtio device type, from which the models of its names follow. */
export interface VirtioFamily {
  /** Without `-pci`: `virtio-blk`. */
  readonly base: string
  readonly kind: ModelKind
  readonly type: number
  readonly transitionalDeviceId?: number
  readonly classCode: number
  readonly configSize: number
  /** By version where it differs; one number where it does not. */
  readonly vectors: number | readonly [before: number, after: number]
  readonly queues: number
  readonly properties: PropertyList
  /** More of the model: backends, parents, an alias. */
  readonly model?: Partial<ModelInput>
  readonly pci?: Partial<VirtioModel>
  /** Exists only under the one name `<base>-pci`. */
  readonly single?: boolean
  /** Its name without a transport, where that is not `<base>-device`; null where there is none. */
  readonly device?: string | null
}

/** QEMU's table of aliases on x86 has these without `-pci`, and no others. */
const ALIASED = new Set(
  `virtio-9p virtio-balloon virtio-blk virtio-gpu virtio-gpu-gl virtio-input-host virtio-iommu virtio-keyboard
   virtio-mouse virtio-net virtio-rng virtio-scsi virtio-serial virtio-tablet`.split(/\s+/),
)

const DASHES = ['', '-transitional', '-non-transitional'] as const

/** One device type under its names: `-pci`, `-pci-transitional`, `-pci-non-transitional`, and `-device`. */
export const virtioFamily = (of: VirtioFamily): DeviceModel[] => [
  ...onPci(of),
  ...(of.device === null ? [] : [onVirtioBus(of, of.device ?? `${of.base}-device`)]),
]

/** What only its transport on PCI takes. */
const OF_PCI_ALONE = ['class', 'vectors']

const onVirtioBus = (of: VirtioFamily, name: string): DeviceModel =>
  deviceModel({
    kind: of.kind,
    dma: true,
    ...of.model,
    plug: 'virtio-bus',
    name,
    aliases: [],
    parents: ['virtio-device', ...(of.model?.parents ?? [])],
    virtioBus: { type: of.type, configSize: of.configSize, queues: of.queues },
    properties: () => ({
      ...VIRTIO_PROPERTIES,
      ...Object.fromEntries(Object.entries(of.properties).filter(([property]) => !OF_PCI_ALONE.includes(property))),
    }),
  })

function onPci(of: VirtioFamily): DeviceModel[] {
  const vectors = typeof of.vectors === 'number' ? ([of.vectors, of.vectors] as const) : of.vectors
  const endings = of.single ? DASHES.slice(0, 1) : of.transitionalDeviceId === undefined ? ['', DASHES[2]] : DASHES
  return endings.map((ending) => {
    const mode = ending === '' ? 'any' : ending === '-transitional' ? 'transitional' : 'non-transitional'
    return deviceModel({
      kind: of.kind,
      dma: true,
      ...of.model,
      name: `${of.base}-pci${ending}`,
      aliases: ending === '' && ALIASED.has(of.base) ? [of.base] : [],
      parents: ['virtio-pci', 'virtio-device', `${of.base}-device`, ...(of.model?.parents ?? [])],
      virtio: {
        type: of.type,
        transitionalDeviceId: of.transitionalDeviceId ?? null,
        classCode: of.classCode,
        configSize: of.configSize,
        vectors: { '7.2': vectors[0], '11.1': vectors[1] },
        queues: of.queues,
        romSize: 0,
        mode,
        extraBars: [],
        modernBar: 4,
        msixBar: 1,
        ...of.pci,
      },
      properties: () => ({
        ...VIRTIO_PROPERTIES,
        ...VIRTIO_PCI_PROPERTIES,
        // vhost-user and vhost models too: QEMU registers every virtio-pci type with them, but for the two named modes.
        ...(mode === 'any' ? VIRTIO_PCI_GENERATION : {}),
        vectors: bearing(differs(uint32(0), vectors[0] === 0 ? 0 : 0xffff_ffff, vectors[1] === 0 ? 0 : 0xffff_ffff)),
        ...of.properties,
      }),
    })
  })
}

/** What every vhost-user device takes. */
export const vhostUser = (extra: PropertyList = {}): PropertyList => ({ chardev: bearing(text), ...extra })
export const CHARDEV_MANDATORY = backend('chardev', 'chardev', 'character', 'missing chardev')
