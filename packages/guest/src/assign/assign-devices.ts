import type { DeviceRecord } from '../device-record.ts'
import type { Bound } from '../drivers/bind.ts'
import type { GroupOwnership } from '../iommu/contract.ts'
import type { DeviceRegion } from '../iommu/device-region.ts'
import type { GroupDomain } from '../iommu/group-domain.ts'
import { regionsOfGroup } from '../iommu/group-ownership.ts'
import type { Kernel } from '../kernel.ts'
import { isBefore } from '../profile/guest-profile.ts'
import type {
  Answer,
  AssignedDevice,
  AssignmentGroup,
  AssignmentStep,
  GuestAssignment,
  RefusalReason,
  ReturnedDevice,
} from './assignment-result.ts'
import { takeBack, useDevice } from './use-device.ts'
import { commonRanges, iovaRanges, UserMappings, userDomain } from './user-container.ts'
import { letGo } from './user-driver.ts'

const PAGE = 4096
const VFIO_DRIVER = 'vfio-pci'
/** Drivers that do no DMA of their own by the DMA API, so that others may own their group (`driver_managed_dma`). */
const SHARING_DRIVERS = ['pcieport', VFIO_DRIVER]
const HEADER_TYPE = 0x7f

const DIRECT_MAPPING_REFUSAL =
  'Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.'
const NO_INTERRUPT_REMAPPING =
  'vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param "allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform'
/** The end of a domain that Linux gives no end. */
const WHOLE_ADDRESS_SPACE = '0xffffffffffffffff'
/** The module's parameter, as the kernel's command line has it. */
const UNSAFE_INTERRUPTS = 'vfio_iommu_type1.allow_unsafe_interrupts'

/**
 * Gives devices to users' programs, one program after the other, as `driverctl set-override ... vfio-pci` and then a program like QEMU do, in the
 * kernel's order: drivers off, vfio-pci on, groups looked at and owned, a domain of the program's, its mappings, its
 * DMA. Then all is given back. Every step is answered as this kernel answers it.
 *
 * @param settle - called after each program
 */
export function assignDevices(
  kernel: Kernel,
  records: readonly DeviceRecord[],
  bound: readonly Bound[],
  settle: () => void,
): readonly GuestAssignment[] {
  const drivers = [...bound]
  return kernel.profile.assign.map((devices) => {
    const assignment = new Assignment(kernel, records, drivers, devices).run()
    settle()
    return assignment
  })
}

class Assignment {
  readonly #kernel: Kernel
  readonly #records: readonly DeviceRecord[]
  /** Who has which device now. */
  readonly #bound: Bound[]
  readonly #asked: readonly string[]
  readonly #steps: AssignmentStep[] = []
  readonly #groups: AssignmentGroup[] = []
  readonly #used: AssignedDevice[] = []
  /** Devices that lost their driver to this. */
  readonly #unbound: DeviceRecord[] = []
  #iovas: GuestAssignment['iovas'] = []
  #refusal: GuestAssignment['refusal'] = null

  constructor(kernel: Kernel, records: readonly DeviceRecord[], bound: Bound[], devices: readonly string[]) {
    this.#kernel = kernel
    this.#records = records
    this.#bound = bound
    this.#asked = devices
  }

  run(): GuestAssignment {
    const { log } = this.#kernel
    log(`vfio: ${this.#asked.join(' and ')} for a user's program`)
    const found = this.#takeFromDrivers()
    if (found !== null) this.#useGroups(found)
    const returned = this.#unbound.map((record) => this.#giveBack(record))
    if (this.#refusal !== null) log(`vfio: ${this.#refusal.request}: ${this.#refusal.answer}: ${this.#refusal.because}`)
    return {
      devices: this.#asked,
      refusal: this.#refusal,
      groups: this.#groups,
      steps: this.#steps,
      iovas: this.#iovas,
      used: this.#used,
      returned,
    }
  }

  #step(request: string, answer: Answer = 'ok', log?: string): void {
    this.#steps.push({ request, answer, ...(log !== undefined && { log }) })
    if (log !== undefined) this.#kernel.log(log)
  }

  #refuse(
    request: string,
    answer: Exclude<Answer, 'ok'>,
    reason: RefusalReason,
    because: string,
    about: { readonly device?: string; readonly log?: string } = {},
  ): null {
    this.#step(request, answer, about.log)
    this.#refusal = { request, answer, reason, because, device: about.device ?? null, log: about.log ?? null }
    return null
  }

  /** The devices, each with vfio-pci bound; null where one of them cannot be had. */
  #takeFromDrivers(): readonly DeviceRecord[] | null {
    const taken: DeviceRecord[] = []
    for (const id of this.#asked) {
      const record = this.#records.find(({ fn }) => fn.id === id)
      if (record === undefined) {
        const because = `there is no ${id} on PCI`
        return this.#refuse(`unbind ${id}`, 'ENOENT', 'no-device', because, { device: id })
      }
      if (!this.#unbind(record) || !this.#bindVfio(record)) return null
      taken.push(record)
    }
    return taken
  }

  #unbind(record: DeviceRecord): boolean {
    const { pciDriver, fn } = record
    const found = this.#bound.find((one) => one.record === record)
    if (pciDriver === null) {
      // It was tested without a driver.
      letGo(this.#kernel, fn, null)
      return true
    }
    const request = `unbind ${fn.id} from ${pciDriver}`
    if (found?.driver.stuck !== undefined) {
      const because = `the probe of ${fn.id} by ${record.driver} never ends (${found.driver.stuck}), and unbinding waits for it`
      this.#refuse(request, 'hangs', 'probe-never-ends', because, { device: fn.id })
      return false
    }
    // Linux has no way back from that: it goes through pointers of an IOMMU that is no longer there.
    if (this.#kernel.iommu.iommus.some(({ id, enabled }) => id === fn.id && enabled)) {
      const because = `${fn.id} is the IOMMU: its driver goes, and the kernel crashes over the devices behind it`
      this.#refuse(request, 'crashes', 'is-iommu', because, { device: fn.id })
      return false
    }
    this.#step(request)
    letGo(this.#kernel, fn, found?.virtio ?? null)
    this.#unbound.push(record)
    return true
  }

  /** `vfio_pci_probe`, and what the driver core does before it. */
  #bindVfio({ fn }: DeviceRecord): boolean {
    const { iommu, profile } = this.#kernel
    const request = `bind ${fn.id} to ${VFIO_DRIVER}`
    const device = fn.id
    if (iommu.configure(fn) === 'deferred') {
      const because = 'the IOMMU that firmware puts it behind has no driver: every probe of it is put off'
      this.#refuse(request, 'EAGAIN', 'deferred', because, { device })
      return false
    }
    const log = isBefore(profile, '6.12')
      ? `vfio-pci: probe of ${fn.id} failed with error -22`
      : `vfio-pci ${fn.id}: probe with driver vfio-pci failed with error -22`
    const refuse = (reason: RefusalReason, because: string): false => {
      this.#refuse(request, 'EINVAL', reason, because, { device, log })
      return false
    }
    if ((fn.headerType & HEADER_TYPE) !== 0) {
      return refuse('bridge', 'it is a bridge, and VFIO gives none to users: assign what is behind it')
    }
    if (iommu.group(fn) === null) {
      const why = iommu.iommus.length === 0 ? 'the kernel found no IOMMU' : 'no IOMMU of the kernel has it'
      return refuse('no-group', `${fn.id} is in no IOMMU group: ${why}`)
    }
    if (iommu.ownership == null) {
      return refuse(
        'no-capability',
        `this kernel's code for the IOMMU of ${fn.id} offers VFIO nothing to own groups by`,
      )
    }
    this.#step(request)
    return true
  }

  #useGroups(taken: readonly DeviceRecord[]): void {
    const { iommu } = this.#kernel
    const ownership = iommu.ownership!
    const ids = [...new Set(taken.map(({ fn }) => iommu.group(fn)!))]
    for (const id of ids) this.#groups.push(this.#describeGroup(ownership, id, taken))
    const owned: number[] = []
    const claimed = this.#groups.every((group) => this.#claim(ownership, group, owned))
    if (claimed) this.#attachAndUse(ownership, taken)
    for (const id of owned) {
      const failed = ownership.attach(id, null)
      this.#step(`release group ${id}`, failed === null ? 'ok' : 'EINVAL', failed ?? undefined)
    }
  }

  #describeGroup(ownership: GroupOwnership, id: number, taken: readonly DeviceRecord[]): AssignmentGroup {
    const devices = ownership.members(id).map((member): AssignmentGroup['devices'][number] => {
      const record = this.#records.find(({ fn }) => fn.id === member.id)
      if (record !== undefined && taken.includes(record)) {
        return { id: member.id, driver: VFIO_DRIVER, part: 'assigned' }
      }
      const driver = record === undefined || this.#unbound.includes(record) ? null : record.pciDriver
      const holds = driver !== null && !SHARING_DRIVERS.includes(driver)
      return { id: member.id, driver, part: holds ? 'holds' : 'idle' }
    })
    return {
      id,
      viable: !devices.some(({ part }) => part === 'holds'),
      devices,
      regions: regionsOfGroup(ownership, id),
    }
  }

  /** VFIO_GROUP_SET_CONTAINER: the group becomes the program's, and until it has a domain no DMA of its devices passes. */
  #claim(ownership: GroupOwnership, group: AssignmentGroup, owned: number[]): boolean {
    const request = `VFIO_GROUP_SET_CONTAINER, group ${group.id}`
    const holders = group.devices.filter(({ part }) => part === 'holds')
    if (holders.length > 0) {
      const who = holders.map(({ id, driver }) => `${id} (${driver})`).join(', ')
      const because = `group ${group.id} is not viable: ${who} ${holders.length === 1 ? 'has' : 'have'} a driver of the kernel's, and an IOMMU cannot keep the devices of a group apart`
      this.#refuse(request, 'EPERM', 'not-viable', because, { device: holders[0]!.id })
      return false
    }
    const direct = this.#refusesDirect(ownership, group.id)
    if (direct !== null) {
      const { device, region, answer, text } = direct
      const because = `firmware wants ${rangeText(region)} mapped onto itself for ${device} at all times (${region.because}), which no domain of a user's would do`
      this.#refuse(request, answer, 'direct-mapping', because, {
        device,
        log: `${this.#driverOf(device)} ${device}: ${text}`,
      })
      return false
    }
    // DEVIATION: where a driver knows how to block, Linux blocks without a table; an empty domain lets as little pass.
    const blocking = ownership.createDomain(group.id)
    const failed =
      blocking === null ? 'no memory for a domain' : ownership.attach(group.id, { domain: blocking, space: null })
    if (failed !== null) {
      this.#refuse(request, 'ENOMEM', 'no-domain', failed)
      return false
    }
    owned.push(group.id)
    this.#step(request)
    return true
  }

  /** The first device of a group that firmware wants to keep a mapping, and how this kernel refuses it. */
  #refusesDirect(ownership: GroupOwnership, group: number) {
    for (const member of ownership.members(group)) {
      const region = ownership.regions(member).find(({ type }) => type === 'direct')
      if (region === undefined) continue
      const device = member.id
      // Since 6.6 the core of the IOMMU code refuses, for every kind; before that, a driver or nobody.
      if (!isBefore(this.#kernel.profile, '6.12')) {
        return { device, region, answer: 'EINVAL' as const, text: DIRECT_MAPPING_REFUSAL }
      }
      const text = ownership.ineligible?.(member)
      if (text != null) return { device, region, answer: 'EPERM' as const, text }
    }
    return null
  }

  /** As the kernel begins a line about a device: by the driver that has it, or by its bus. */
  #driverOf(id: string): string {
    const group = this.#groups.find(({ devices }) => devices.some((one) => one.id === id))
    return group?.devices.find((one) => one.id === id)?.driver ?? 'pci'
  }

  /** VFIO_SET_IOMMU (`vfio_iommu_type1_attach_group`), and all that the program does then. */
  #attachAndUse(ownership: GroupOwnership, taken: readonly DeviceRecord[]): void {
    const spapr = ownership.api === 'spapr'
    const request = `VFIO_SET_IOMMU, ${spapr ? 'VFIO_SPAPR_TCE_v2_IOMMU' : 'VFIO_TYPE1v2_IOMMU'}`
    const domains = new Map<number, GroupDomain>()
    for (const { id, regions } of this.#groups) {
      const created = ownership.createDomain(id)
      if (created === null) {
        this.#refuse(request, 'ENOMEM', 'no-domain', `no domain could be made for group ${id}`)
        return
      }
      const domain = userDomain(created, regions)
      const failed = ownership.attach(id, domain)
      if (failed !== null) {
        this.#refuse(request, 'EINVAL', 'no-domain', failed)
        return
      }
      domains.set(id, domain)
    }
    // VFIO's driver for POWER does not ask.
    const open = spapr || this.#unsafeInterrupts ? undefined : this.#withoutIsolation(ownership)
    if (open !== undefined) {
      const because = `nothing keeps messages of ${open} to its own interrupts: a program that has it could raise any vector of the processor`
      this.#refuse(request, 'EPERM', 'interrupts', because, { device: open, log: NO_INTERRUPT_REMAPPING })
      return
    }
    this.#step(request)
    this.#map(ownership, [...domains.values()])
    for (const record of taken) {
      this.#step(`VFIO_GROUP_GET_DEVICE_FD ${record.fn.id}`)
      this.#used.push(useDevice(this.#kernel, record, this.#kernel.iommu.group(record.fn)!))
    }
  }

  get #unsafeInterrupts(): boolean {
    const given = this.#kernel.options.parameters.findLast(({ name }) => name === UNSAFE_INTERRUPTS)
    return given !== undefined && (given.value === null || /^([yYtT1]|[oO][nN])/.test(given.value))
  }

  /** A device of the groups whose messages could raise interrupts of others. */
  #withoutIsolation(ownership: GroupOwnership): string | undefined {
    const { messages, iommu } = this.#kernel
    const members = this.#groups.flatMap(({ id }) => ownership.members(id))
    return members.find((member) => {
      const fn = this.#records.find((record) => record.fn.id === member.id)?.fn
      return !(messages.isolates && fn ? messages.isolates(fn) : iommu.interruptRemapping)
    })?.id
  }

  /** What the program may map, and what the kernel says where it tries to map more. */
  #map(ownership: GroupOwnership, domains: readonly GroupDomain[]): void {
    const ranges = commonRanges(
      this.#groups.map(({ regions }, index) =>
        iovaRanges(ownership.geometryEnd ?? domains[index]!.domain.apertureEnd, regions),
      ),
    )
    this.#iovas = ranges.map(({ start, end }) => ({
      start: hex(start),
      end: end === Number.MAX_SAFE_INTEGER ? WHOLE_ADDRESS_SPACE : hex(end),
    }))
    this.#step(ownership.api === 'spapr' ? 'VFIO_IOMMU_SPAPR_TCE_GET_INFO' : 'VFIO_IOMMU_GET_INFO')
    const page = this.#kernel.pages.allocate(1)
    const first = ranges[0]
    if (page === null || first === undefined) return
    const mappings = new UserMappings(
      domains.map(({ domain }) => domain),
      ranges,
    )
    const tryMap = (iova: number): void =>
      this.#step(`VFIO_IOMMU_MAP_DMA at 0x${iova.toString(16)}`, mappings.map(iova, page, PAGE))
    tryMap(first.start)
    tryMap(first.start)
    for (const iova of new Set(this.#groups.flatMap(({ regions }) => regions.map(({ start }) => start)))) {
      if (iova % PAGE === 0 && iova !== first.start) tryMap(iova)
    }
    mappings.unmapAll()
    this.#kernel.pages.free(page, 1)
  }

  #giveBack(record: DeviceRecord): ReturnedDevice {
    this.#step(`bind ${record.fn.id} to ${record.pciDriver}`)
    const { virtio, returned } = takeBack(this.#kernel, record)
    const index = this.#bound.findIndex((one) => one.record === record)
    const before = this.#bound[index]
    if (before !== undefined) this.#bound[index] = { ...before, virtio }
    return returned
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`
const rangeText = ({ start, end }: DeviceRegion): string => `${hex(start)} to ${hex(end)}`
