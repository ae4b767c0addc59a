import type { GuestResult } from '@dmascope/guest'
import type { DeviceObservation } from '@dmascope/machine'
import type { ReportDevice } from '../report.ts'
import { shortId } from '../short-id.ts'
import { iommuName, iommuOf } from './iommu-name.ts'
import type { MachineKind, MachineRule } from './rules.ts'

/** What puts an IOMMU into a machine of this kind; null where none can be had. */
function addIommu({ machine, machineProperties, ...of }: MachineKind): string | null {
  const besides = [machineProperties.confidential, of.inbound, of.memorySystem, of.restrictedPool, of.xen]
  if (besides.some((one) => one !== undefined)) return null
  switch (machine) {
    case 'virt':
      return '-machine virt,iommu=smmuv3'
    case 'q35':
    case 'pc':
    case 'microvm':
      return '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on'
    default:
      return null
  }
}

/** Devices whose probes waited to the end. */
const waiting = (guest: GuestResult): readonly string[] =>
  guest.devices.filter(({ deferred }) => deferred === true).map(({ id }) => id)

const refusedEarly = (seen: readonly DeviceObservation[]): boolean =>
  seen.some(({ faults }) => faults.some(({ phase }) => phase === 'firmware'))

const coversNone = (devices: readonly ReportDevice[]): boolean => !devices.some(({ firmware }) => firmware.covered)

export const MACHINE_RULES: readonly MachineRule[] = [
  {
    id: 'DMA-0001',
    level: 'note',
    title: 'The IOMMU is there, and the kernel leaves it off',
    applies: (guest, devices) =>
      guest.iommus.length > 0 &&
      !guest.iommus.some((iommu) => iommu.enabled) &&
      waiting(guest).length === 0 &&
      !devices.some(({ status }) => status === 'blocked'),
    message: (guest, devices) =>
      `${iommuName(guest)} is exposed and not used${coversNone(devices) ? ', since the tables put no device behind it' : ''}: ` +
      'every device is in passthrough.',
    fix: (guest, devices) =>
      iommuOf(guest)?.kind === 'amdvi'
        ? 'boot without amd_iommu=off and iommu=off'
        : coversNone(devices)
          ? 'leave out default_bus_bypass_iommu, or list devices in the DMAR'
          : '-append "intel_iommu=on"',
  },
  {
    id: 'DMA-0002',
    level: 'note',
    title: 'There is no IOMMU',
    applies: (guest, devices) =>
      guest.iommus.length === 0 && devices.some((device) => device.passthrough === 'no-iommu'),
    message: () => 'the firmware names no IOMMU: every device is in passthrough.',
    fix: (_guest, _devices, { machine }) => addIommu(machine),
  },
  {
    id: 'DMA-0016',
    level: 'error',
    title: 'Firmware waits for ever for a device, and starts no kernel',
    applies: (_guest, _devices, { hung }) => hung !== null,
    message: (_guest, _devices, { hung, seen }) =>
      `firmware never starts the kernel: ${hung}.` +
      (refusedEarly(seen) ? ' The IOMMU lets nobody pass whom no driver has attached to a domain.' : ''),
    fix: (_guest, _devices, { seen }) => {
      const described = seen.map((one) => one.described).find((one) => one?.properties['boot-bypass'] === false)
      return described ? `-device ${described.model},...,boot-bypass=on` : null
    },
  },
  {
    id: 'DMA-0017',
    level: 'error',
    title: 'Devices wait for an IOMMU that has no driver',
    applies: (guest) => waiting(guest).length > 0,
    message: (guest) =>
      `${waiting(guest).map(shortId).join(', ')}: no driver probes what firmware puts behind ${iommuName(guest)}, ` +
      'for which this kernel has no driver.',
    fix: (guest) =>
      guest.iommus.some(({ kind }) => kind === 'virtio-iommu') ? 'install the module virtio_iommu' : null,
  },
]
