import { VIRTIO_F_SR_IOV, VIRTIO_STATUS_DRIVER_OK } from '@dmascope/virtio-pci/spec'
import { DeviceRecord } from '../device-record.ts'
import type { Kernel } from '../kernel.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { Sriov } from '../pci/sriov.ts'
import { VirtualFunctions } from '../pci/virtual-functions.ts'
import { driversForPci } from '../profile/guest-profile.ts'
import type { SriovOutcome } from '../result.ts'

/** The 82576's own registers have room for so many (igb's `pci_sriov_set_totalvfs`). */
const IGB_MOST = 7

type Physical = DeviceRecord & { readonly fn: PciFunction & { readonly sriov: Sriov } }

const isPhysical = (record: DeviceRecord): record is Physical => record.fn.sriov !== undefined

const callbackOf = (kernel: Kernel, { fn }: DeviceRecord) =>
  driversForPci(kernel.profile, fn).find(({ sriov }) => sriov !== undefined)?.sriov ?? null

/** What `sriov_totalvfs` says: the device's number, or less where its driver knows better. */
function mostOf(kernel: Kernel, record: Physical): number {
  const { totalVfs } = record.fn.sriov
  return callbackOf(kernel, record) === 'igb' && record.driver !== null ? Math.min(totalVfs, IGB_MOST) : totalVfs
}

/**
 * What somebody does who writes numbers to `sriov_numvfs` once all modules are loaded: for each device that the profile
 * names, in its order. Each virtual function is probed as soon as it is there, before the next.
 *
 * @param records - virtual functions are put in, each behind its physical function
 * @param arrive - has drivers probe a function
 */
export function enableVirtualFunctions(
  kernel: Kernel,
  records: DeviceRecord[],
  arrive: (record: DeviceRecord) => void,
): readonly SriovOutcome[] {
  const { config, iommu, log, profile } = kernel
  const functions = new VirtualFunctions(config, iommu.acsRequested)
  const enabled = new Set<DeviceRecord>()
  const outcomes: SriovOutcome[] = []

  const write = (record: Physical, count: number): void => {
    const { fn } = record
    const refused = enabled.has(record)
      ? 'VFs already enabled (-EBUSY)'
      : (refusalOf(kernel, record, count) ?? functions.enable(fn, count))
    outcomes.push({ device: fn.id, requested: count, enabled: refused === null ? count : 0, refused })
    if (refused !== null) {
      log(`pci ${fn.id}: ${refused}`)
      record.why(`${count} virtual functions are refused: ${refused}`, 'sriov_numvfs')
      return
    }
    enabled.add(record)
    record.why(`${count} virtual functions are enabled`, 'sriov_numvfs')
    for (let index = 0; index < count; index++) {
      const one = functions.read(fn, index)
      log(`pci ${one.id}: virtual function ${index} of ${fn.id}`)
      const virtual = new DeviceRecord(one)
      virtual.why(`it is virtual function ${index} of ${fn.id}`, 'sriov_numvfs')
      records.splice(records.indexOf(record) + 1 + index, 0, virtual)
      iommu.addDevice?.(one)
      arrive(virtual)
    }
  }

  for (const { device, count } of profile.sriov) {
    if (device === 'all') {
      for (const one of records.filter(isPhysical)) write(one, mostOf(kernel, one))
      continue
    }
    const record = records.find(({ fn }) => fn.id === device)
    if (record !== undefined && isPhysical(record)) write(record, count ?? mostOf(kernel, record))
    else {
      const refused =
        record === undefined ? 'there is no such device' : 'the device has no SR-IOV that the kernel would use'
      log(`sriov_numvfs of ${device}: ${refused} (-ENOENT)`)
      outcomes.push({ device, requested: count ?? 0, enabled: 0, refused: `${refused} (-ENOENT)` })
    }
  }
  return outcomes
}

/** Linux's `sriov_numvfs_store`, and what drivers look at before they enable anything. Null where all is well. */
function refusalOf(kernel: Kernel, record: Physical, count: number): string | null {
  if (count > mostOf(kernel, record)) return `${count} VFs, where sriov_totalvfs is ${mostOf(kernel, record)} (-ERANGE)`
  if (record.driver === null) return 'no driver bound to device; cannot configure SR-IOV (-ENOENT)'
  switch (callbackOf(kernel, record)) {
    case null:
      return 'driver does not support SR-IOV configuration via sysfs (-ENOENT)'
    case 'igb':
      return record.interrupt.mode === 'msix' ? null : 'igb wants MSI-X for SR-IOV (-EPERM)'
    case 'virtio': {
      const { virtio } = record
      if (virtio === null || (virtio.status & VIRTIO_STATUS_DRIVER_OK) === 0) return 'its driver is not ready (-EBUSY)'
      return virtio.negotiated.includes(VIRTIO_F_SR_IOV) ? null : 'VIRTIO_F_SR_IOV was not negotiated (-EINVAL)'
    }
    case 'simple':
      return null
  }
}
