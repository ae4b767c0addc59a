import type { QemuVersion } from '../description.ts'
import { type PlacedDevice, refusePlace } from './placed-bus.ts'
import { isExpressVirtio } from './realize-virtio.ts'
import { checkNvmeSriov, sriovPlan } from './sriov-plan.ts'

const LAST_ROUTING_ID = 0xff

/**
 * Which devices are virtual functions of which, in order of creation. Those of `igb` and `nvme` come with these; those
 * of virtio are devices with `sriov-pf=` that are created before the device of that id (QEMU's `pcie_sriov.c`).
 */
export class VirtualPlaces {
  /** Virtual functions that are devices of their own, by routing ID, of each physical one. */
  readonly of = new Map<PlacedDevice, readonly PlacedDevice[]>()
  readonly #version: QemuVersion
  /** Devices that name a physical function which is not there yet. */
  readonly #waiting = new Map<string, PlacedDevice[]>()
  readonly #ids = new Set<string>()

  constructor(version: QemuVersion) {
    this.#version = version
  }

  /**
   * Notes a device that has its place.
   *
   * @returns whether it is a virtual function: one that its physical function brings
   * @throws DmascopeError MACHINE_REFUSED in QEMU's words
   */
  add(placed: PlacedDevice): boolean {
    const { description, model } = placed
    const { id } = description
    const waiting = id === undefined ? undefined : this.#waiting.get(id)
    const refuse = (words: string): Error => refusePlace('MACHINE_REFUSED', description, words)
    checkNvmeSriov(placed, this.#version)
    const isVirtio = model.virtio !== null && isExpressVirtio(placed)
    if (waiting !== undefined && !isVirtio) throw refuse('attaching user-created SR-IOV VF unsupported')
    this.#occupy(placed)
    const physicalId = String(placed.given['sriov-pf'] ?? '')
    if (waiting !== undefined && id !== undefined) {
      if (physicalId !== '') throw refuse('a device cannot be a SR-IOV PF and a VF at the same time')
      this.of.set(placed, checkedVirtual(placed, waiting))
      this.#waiting.delete(id)
    }
    if (id !== undefined) this.#ids.add(id)
    if (physicalId === '') return false
    if (!model.name.startsWith('virtio-net-pci')) throw refuse('user cannot create SR-IOV VF with this device type')
    if (!isVirtio) throw refuse('PCI Express is required for SR-IOV VF')
    if (this.#ids.has(physicalId)) throw refuse('PCI device specified as SR-IOV PF already exists')
    if (placed.given.rombar === 1 && placed.given.romfile !== '')
      throw refuse('ROM BAR cannot be enabled for SR-IOV VF')
    this.#waiting.set(physicalId, [...(this.#waiting.get(physicalId) ?? []), placed])
    return true
  }

  /** Since 10.0 virtual functions are made with their physical one, and take their places on the bus then. */
  #occupy(placed: PlacedDevice): void {
    const plan = sriovPlan(placed)
    if (plan === null || this.#version === '7.2') return
    const { bus, description } = placed
    const first = ((placed.device << 3) | placed.fn) + plan.firstVfOffset
    if (first + (plan.totalVfs - 1) * plan.vfStride > LAST_ROUTING_ID) {
      throw refusePlace('MACHINE_REFUSED', description, 'VF addr overflows')
    }
    for (let index = 0; index < plan.totalVfs; index++) {
      const at = first + index * plan.vfStride
      const holder = bus.taken.get(at)
      if (holder !== undefined) {
        const words = `PCI: slot ${at >>> 3} function ${at & 7} not available for ${plan.virtualModel}, in use by ${holder}`
        throw refusePlace('MACHINE_SLOT', description, words)
      }
      bus.taken.set(at, plan.virtualModel)
      bus.virtual.add(at)
    }
  }
}

const routingId = ({ device, fn }: PlacedDevice): number => (device << 3) | fn

/** QEMU's `pcie_sriov_pf_init_from_user_created_vfs`, in its order. */
function checkedVirtual(physical: PlacedDevice, waiting: readonly PlacedDevice[]): readonly PlacedDevice[] {
  const { description } = physical
  const refuse = (words: string): Error => refusePlace('MACHINE_REFUSED', description, words)
  const sorted = [...waiting].sort((a, b) => routingId(a) - routingId(b))
  const first = sorted[0]!
  if (routingId(first) <= routingId(physical)) {
    throw refuse('a VF function number is less than the PF function number')
  }
  const stride = sorted[1] === undefined ? 0 : routingId(sorted[1]) - routingId(first)
  for (const [index, one] of sorted.entries()) {
    if (one.bus !== physical.bus) throw refuse('SR-IOV VF parent bus mismatches with PF')
    if (String(one.properties.vectors) !== String(first.properties.vectors)) throw refuse('inconsistent SR-IOV BARs')
    if (routingId(one) - routingId(first) !== stride * index) throw refuse('inconsistent SR-IOV stride')
  }
  return sorted
}
