import { mem64, pciModel } from '../catalogue/build-model.ts'
import type { PciModel } from '../catalogue/model.ts'
import { type PlacedDevice, refusePlace } from './placed-bus.ts'

const KiB = 1024

/** SR-IOV as a device of QEMU's has it that makes its virtual functions itself. */
export interface SriovPlan {
  /** Of the capability. */
  readonly offset: number
  readonly totalVfs: number
  readonly firstVfOffset: number
  readonly vfStride: number
  /** QEMU's name for a virtual function. */
  readonly virtualModel: string
  /** One of them, its own IDs in it. */
  readonly pci: PciModel
  /** Somebody has to give a virtual function resources before it can do anything, and nobody does. */
  readonly notReady: boolean
}

/** What becomes of the device's SR-IOV; null for one without. */
export function sriovPlan(placed: Pick<PlacedDevice, 'model' | 'properties'>): SriovPlan | null {
  if (placed.model.name === 'igb') return IGB
  return placed.model.name === 'nvme' ? nvmePlan(placed.properties) : null
}

/** Of the 82576: eight virtual functions, each with three vectors. */
const IGB: SriovPlan = {
  offset: 0x160,
  totalVfs: 8,
  firstVfOffset: 0x80,
  vfStride: 2,
  virtualModel: 'igbvf',
  pci: pciModel({
    ids: [0x8086, 0x10ca],
    classCode: 0x020000,
    revision: 1,
    interruptPin: 0,
    nature: 'express',
    bars: [mem64(0, 16 * KiB, true), mem64(3, 16 * KiB, true)],
    caps: '10@a0,11@70,x0001@100,x000e@150',
    msixVectors: 3,
    msixBar: 3,
    dmaBits: 64,
  }),
  notReady: false,
}

/** Its secondary controllers stay offline until somebody gives them queues and interrupts by admin commands. */
function nvmePlan(properties: PlacedDevice['properties']): SriovPlan | null {
  const number = (name: string): number => Number(properties[name] ?? 0)
  const totalVfs = number('sriov_max_vfs')
  if (totalVfs === 0) return null
  const queues = number('sriov_max_vq_per_vf') || number('max_ioqpairs') + 1 - number('sriov_vq_flexible')
  const vectors = number('sriov_max_vi_per_vf') || number('msix_qsize') - number('sriov_vi_flexible')
  const intel = properties['use-intel-id'] === true
  return {
    offset: 0x120,
    totalVfs,
    firstVfOffset: 1,
    vfStride: 1,
    virtualModel: 'nvme',
    pci: pciModel({
      ids: intel ? [0x8086, 0x5845] : [0x1b36, 0x0010],
      classCode: 0x010802,
      revision: 2,
      interruptPin: 0,
      nature: 'express',
      bars: [mem64(0, nvmeBarSize(queues, vectors))],
      caps: '11@40,10@80,01@60,x000e@100',
      msixVectors: 1,
      dmaBits: 64,
    }),
    notReady: true,
  }
}

/** QEMU's `nvme_mbar_size`: controller registers, doorbells, the MSI-X table and its pending bits, each on pages. */
function nvmeBarSize(queues: number, vectors: number): number {
  const pages = (bytes: number): number => Math.ceil(bytes / 4096) * 4096
  const size = pages(pages(4096 + 8 * queues) + 16 * vectors) + Math.ceil(vectors / 64) * 8
  return 2 ** Math.ceil(Math.log2(size))
}

/**
 * QEMU's `nvme_check_constraints`, as far as it looks at SR-IOV, in its order.
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function checkNvmeSriov({ model, properties, description }: PlacedDevice, version: string): void {
  const number = (name: string): number => Number(properties[name] ?? 0)
  const most = number('sriov_max_vfs')
  if (model.name !== 'nvme' || most === 0) return
  const refuse = (words: string): Error => refusePlace('MACHINE_REFUSED', description, words)
  const given = (name: string): boolean => properties[name] !== undefined && properties[name] !== ''
  const [queues, vectors, perVf] = [
    number('sriov_vq_flexible'),
    number('sriov_vi_flexible'),
    number('sriov_max_vq_per_vf'),
  ]
  if (!given('subsys')) throw refuse('subsystem is required for the use of SR-IOV')
  if (version === '7.2' && most > 127) throw refuse('sriov_max_vfs must be between 0 and 127')
  if (number('cmb_size_mb') > 0) throw refuse('CMB is not supported with SR-IOV')
  if (given('pmrdev')) throw refuse('PMR is not supported with SR-IOV')
  if (queues === 0 || vectors === 0) {
    throw refuse('both sriov_vq_flexible and sriov_vi_flexible must be set for the use of SR-IOV')
  }
  if (queues < most * 2) {
    throw refuse(`sriov_vq_flexible must be greater than or equal to ${most * 2} (sriov_max_vfs * 2)`)
  }
  if (number('max_ioqpairs') < queues + 2) {
    throw refuse('(max_ioqpairs - sriov_vq_flexible) must be greater than or equal to 2')
  }
  if (vectors < most) throw refuse(`sriov_vi_flexible must be greater than or equal to ${most} (sriov_max_vfs)`)
  if (number('msix_qsize') < vectors + 1) {
    throw refuse('(msix_qsize - sriov_vi_flexible) must be greater than or equal to 1')
  }
  if (perVf === 1) {
    throw refuse('sriov_max_vq_per_vf must meet: (sriov_max_vq_per_vf - 1) % 1 == 0 and sriov_max_vq_per_vf >= 2')
  }
}
