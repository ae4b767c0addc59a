import type { DeviceModel } from './model.ts'

/**
 * A model as the catalogue gives it out. All are of one class: every device of every machine reads its model, and
 * readers of objects that are each of a hidden class of their own slow down. Properties are made when first asked for.
 */
export class ShapedModel implements DeviceModel {
  readonly name: DeviceModel['name']
  readonly aliases: DeviceModel['aliases']
  readonly kind: DeviceModel['kind']
  readonly versions: DeviceModel['versions']
  readonly parents: DeviceModel['parents']
  readonly dma: DeviceModel['dma']
  readonly plug: DeviceModel['plug']
  readonly pci: DeviceModel['pci']
  readonly virtio: DeviceModel['virtio']
  readonly virtioBus: DeviceModel['virtioBus']
  readonly bridge: DeviceModel['bridge']
  readonly backends: DeviceModel['backends']
  readonly where: DeviceModel['where']
  readonly required: DeviceModel['required']
  readonly #model: DeviceModel
  #properties: DeviceModel['properties'] | null = null

  constructor(model: DeviceModel) {
    this.#model = model
    this.name = model.name
    this.aliases = model.aliases
    this.kind = model.kind
    this.versions = model.versions
    this.parents = model.parents
    this.dma = model.dma
    this.plug = model.plug
    this.pci = model.pci
    this.virtio = model.virtio
    this.virtioBus = model.virtioBus
    this.bridge = model.bridge
    this.backends = model.backends
    this.where = model.where
    this.required = model.required
  }

  get properties(): DeviceModel['properties'] {
    this.#properties ??= this.#model.properties
    return this.#properties
  }
}
