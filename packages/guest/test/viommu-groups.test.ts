import { buildViot, parseViot, sdtHeader } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import type { PciDevice } from '../src/iommu/contract.ts'
import type { IommuContext } from '../src/iommu/iommu-context.ts'
import type { EndpointFault, EndpointRegion, RequestIommu } from '../src/iommu/pci-iommu.ts'
import { RequestSubsystem } from '../src/iommu/virtio/request-subsystem.ts'
import { ViotTopology } from '../src/iommu/virtio/viot-topology.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'
import { parseGuest } from '../src/profile/parse-guest.ts'
import { pci, requesterOf, TestMachine } from './iommu-machine.ts'

const IOMMU = pci('00:01.0')
const MSI: EndpointRegion = { kind: 'msi', start: 0xfee0_0000, end: 0xfeef_ffff }
const hex = (value: number): string => value.toString(16)

/** Notes what it is asked for. Refuses what a test says. */
class FakeIommu implements RequestIommu {
  readonly function = IOMMU
  readonly name = IOMMU.id
  pageSize = 4096
  inputStart = 0
  inputEnd = 2 ** 39
  inputBits = 39
  bypassDomains = true
  domains = 8
  regions: readonly EndpointRegion[] = [MSI]
  readonly unknown = new Set<number>()
  refusesAttach: string | null = null
  refusesMap: string | null = null
  readonly requests: string[] = []
  faults: EndpointFault[] = []

  takeDomain(): number | null {
    return this.domains-- > 0 ? 8 - this.domains : null
  }
  probe(endpoint: number): readonly EndpointRegion[] | string {
    this.requests.push(`probe ${hex(endpoint)}`)
    return this.unknown.has(endpoint) ? 'VIRTIO_IOMMU_S_NOENT' : this.regions
  }
  attach(domain: number, endpoint: number, bypass: boolean): string | null {
    this.requests.push(`attach ${hex(endpoint)} to ${domain}${bypass ? ' bypass' : ''}`)
    return this.refusesAttach
  }
  map(domain: number, start: number, physical: number, length: number, _access: 1 | 2 | 3, waits: boolean) {
    this.requests.push(`map ${domain}: ${hex(start)} +${hex(length)} to ${hex(physical)}${waits ? ' and wait' : ''}`)
    return this.refusesMap
  }
  unmap(domain: number, start: number, length: number): void {
    this.requests.push(`unmap ${domain}: ${hex(start)} +${hex(length)}`)
  }
  sync(): void {
    this.requests.push('sync')
  }
  takeFaults(): readonly EndpointFault[] {
    const { faults } = this
    this.faults = []
    return faults
  }
}

/** A VIOT that puts all of bus 0 to 0x1f, the IOMMU too, behind 00:01.0. */
function tableOf(last = 0x1fff): Uint8Array {
  return buildViot({
    signature: 'VIOT',
    header: sdtHeader(0),
    nodes: [
      { kind: 'virtio-iommu-pci', pciSegment: 0, pciBdf: 0x08 },
      {
        kind: 'pci-range',
        endpointStart: 0,
        pciSegmentStart: 0,
        pciSegmentEnd: 0,
        pciBdfStart: 0,
        pciBdfEnd: last,
        outputNode: 0x30,
      },
    ],
  })
}

interface Setup {
  readonly guest?: string
  readonly append?: string
  readonly lastBdf?: number
  readonly windows?: IommuContext['hostBridgeWindows']
}

function setUp(devices: readonly PciDevice[], { guest = 'linux-6.12', append = '', lastBdf, windows }: Setup = {}) {
  const { bus, pages, log } = new TestMachine()
  const bytes = tableOf(lastBdf)
  const context: IommuContext = {
    bus,
    pages,
    witness: { grant: () => 0, revoke: () => {}, phase: () => {} },
    profile: parseGuest(guest),
    options: parseKernelCommandLine(append),
    log: (line) => void log.push(line),
    ...(windows && { hostBridgeWindows: windows }),
  }
  const subsystem = new RequestSubsystem(
    context,
    (found) => new ViotTopology({ viot: parseViot(bytes), address: 0x1000, bytes }, found, context.log),
  )
  subsystem.attachDevices([IOMMU, ...devices])
  return { subsystem, unit: new FakeIommu(), log }
}

const A = pci('00:02.0')
const B = pci('00:03.0')
const C = pci('00:04.0')
const endpoint = (device: PciDevice): string => hex(requesterOf(device))

describe('devices before the IOMMU has its driver', () => {
  it('wait, have no group, and the IOMMU counts as not enabled', () => {
    const { subsystem } = setUp([A])
    expect(subsystem.configure(A)).toBe('deferred')
    expect([subsystem.group(A), subsystem.domainType(A), subsystem.coverage(A).covered]).toEqual([null, 'none', true])
    expect(subsystem.iommus).toMatchObject([{ kind: 'virtio-iommu', enabled: false, default: 'none', exposed: true }])
  })

  it('do not wait where the table puts them behind nothing', () => {
    const { subsystem } = setUp([A], { lastBdf: 0x0f })
    expect(subsystem.configure(A)).toBe('ready')
    expect(subsystem.why(A)[0]?.fact).toBe('firmware puts it behind no IOMMU')
  })

  it('the IOMMU does not wait for itself, though a range holds it', () => {
    const { subsystem } = setUp([A])
    expect(subsystem.configure(IOMMU)).toBe('ready')
    expect([subsystem.group(IOMMU), subsystem.coverage(IOMMU)]).toEqual([null, { covered: false, by: null }])
  })
})

describe('a device whose driver is about to probe it', () => {
  it('gets the next group: PROBE, then ATTACH to a domain of its own', () => {
    const { subsystem, unit } = setUp([A, B, C])
    subsystem.register(unit)
    expect([C, A].map((device) => subsystem.configure(device))).toEqual(['ready', 'ready'])
    expect([A, B, C].map((device) => subsystem.group(device))).toEqual([1, null, 0])
    expect([A, B, C].map((device) => subsystem.domainType(device))).toEqual(['dma-fq', 'none', 'dma-fq'])
    expect(unit.requests).toEqual(['probe 20', 'attach 20 to 1', 'probe 10', 'attach 10 to 2'])
  })

  it('is configured once', () => {
    const { subsystem, unit } = setUp([A])
    subsystem.register(unit)
    subsystem.configure(A)
    subsystem.configure(A)
    expect(unit.requests).toHaveLength(2)
  })

  it('shares group and domain with functions that no ACS keeps apart', () => {
    const functions = [pci('00:05.0', { headerType: 0x80 }), pci('00:05.1', { headerType: 0x80 })]
    const { subsystem, unit } = setUp(functions)
    subsystem.register(unit)
    for (const device of functions) subsystem.configure(device)
    expect(functions.map((device) => subsystem.group(device))).toEqual([0, 0])
    expect(unit.requests).toEqual(['probe 28', 'attach 28 to 1', 'probe 29', 'attach 29 to 1'])
  })

  it('that the device does not know is left alone: no group, addresses as they are', () => {
    const { subsystem, unit, log } = setUp([A])
    unit.unknown.add(requesterOf(A))
    subsystem.register(unit)
    expect(subsystem.configure(A)).toBe('ready')
    expect([subsystem.group(A), subsystem.domainType(A)]).toEqual([null, 'none'])
    expect(log).toContain(
      'pci 0000:00:02.0: not added to the IOMMU: the IOMMU does not know endpoint 0x10: VIRTIO_IOMMU_S_NOENT',
    )
    expect(subsystem.dmaOps(A, 64).map(0x5000, 0x1000, 'from-device', 'test')).toMatchObject({ hi: 0, lo: 0x5000 })
  })

  it('under a smallest page larger than the kernel’s is left alone', () => {
    const { subsystem, unit } = setUp([A])
    unit.pageSize = 0x1_0000
    subsystem.register(unit)
    subsystem.configure(A)
    expect(subsystem.group(A)).toBeNull()
    expect(subsystem.why(A).at(-1)?.fact).toContain('smallest page has 65536 bytes')
  })

  it('that cannot be attached keeps its group, and says why', () => {
    const { subsystem, unit, log } = setUp([A])
    unit.refusesAttach = 'VIRTIO_IOMMU_S_UNSUPP'
    subsystem.register(unit)
    subsystem.configure(A)
    expect(subsystem.group(A)).toBe(0)
    expect(log).toContain('pci 0000:00:02.0: cannot be attached to its domain: VIRTIO_IOMMU_S_UNSUPP')
  })

  it('for which no domain ID is left is blocked', () => {
    const { subsystem, unit } = setUp([A])
    unit.domains = 0
    subsystem.register(unit)
    subsystem.configure(A)
    expect([subsystem.group(A), subsystem.domainType(A)]).toEqual([0, 'blocked'])
  })

  it('behind a PCIe-to-PCI bridge: the second ID is noted with the bridge, which is then configured', () => {
    const bridge = pci('00:06.0', { headerType: 1, pcieType: 7 })
    const below = pci('01:02.0', { parent: bridge })
    const { subsystem, unit } = setUp([bridge, below])
    subsystem.register(unit)
    subsystem.configure(below)
    subsystem.configure(bridge)
    // The bridge's own ID 30 is never asked for.
    expect(unit.requests).toEqual([`probe ${endpoint(below)}`, `attach ${endpoint(below)} to 1`])
    expect(subsystem.group(bridge)).toBeNull()
  })
})

describe('the type of domain', () => {
  it.each([
    ['linux-6.12', '', 'dma-fq'],
    ['linux-6.12', 'iommu.strict=1', 'dma'],
    ['linux-6.12', 'iommu.passthrough=1', 'identity'],
    ['linux-6.12', 'iommu=pt', 'identity'],
  ])('%s %s: %s', (guest, append, type) => {
    const { subsystem, unit } = setUp([A], { guest, append })
    subsystem.register(unit)
    subsystem.configure(A)
    expect(subsystem.domainType(A)).toBe(type)
    expect(subsystem.iommus[0]?.default).toBe(type)
  })

  it('identity is a bypass domain where the device has them: nothing is mapped', () => {
    const { subsystem, unit } = setUp([A], { append: 'iommu.passthrough=1' })
    subsystem.register(unit)
    subsystem.configure(A)
    expect(unit.requests).toEqual(['probe 10', 'attach 10 to 1 bypass'])
  })

  it('identity is else all of the address space but reserved regions, mapped once attached', () => {
    const { subsystem, unit } = setUp([A], { append: 'iommu.passthrough=1' })
    unit.bypassDomains = false
    subsystem.register(unit)
    subsystem.configure(A)
    expect(unit.requests).toEqual([
      'probe 10',
      'attach 10 to 1',
      'map 1: 0 +fee00000 to 0 and wait',
      'map 1: fef00000 +7f01100000 to fef00000 and wait',
    ])
  })
})

describe('mappings', () => {
  const mapped = (guest: string, more: Setup = {}) => {
    const { subsystem, unit, log } = setUp([A], { guest, ...more })
    subsystem.register(unit)
    subsystem.configure(A)
    unit.requests.length = 0
    return { subsystem, unit, log, dma: subsystem.dmaOps(A, 64) }
  }

  it('6.12 sends a MAP and waits for the batch; what is unmapped goes when the flush queue runs', () => {
    const { subsystem, unit, dma } = mapped('linux-6.12')
    const mapping = dma.map(0x5000, 0x1000, 'from-device', 'test')!
    const iova = hex(mapping.lo)
    expect(unit.requests).toEqual([`map 1: ${iova} +1000 to 5000`, 'sync'])
    unit.requests.length = 0
    dma.unmap(mapping)
    subsystem.flushQueues()
    expect(unit.requests.filter((request) => request !== 'sync')).toEqual([`unmap 1: ${iova} +1000`])
    expect(unit.requests.at(-1)).toBe('sync')
  })

  it('a MAP that is refused is no mapping', () => {
    const { unit, dma, log } = mapped('linux-6.12')
    unit.refusesMap = 'VIRTIO_IOMMU_S_NOMEM'
    expect(dma.map(0x5000, 0x1000, 'from-device', 'test')).toBeNull()
    expect(log.at(-1)).toMatch(/^iommu: domain 1: 0x[0-9a-f]+ cannot be mapped: VIRTIO_IOMMU_S_NOMEM$/)
  })

  it('addresses are none of the endpoint’s reserved regions, of the host bridge’s windows, or above the IOMMU’s', () => {
    const { unit, dma } = mapped('linux-6.12', { windows: [{ start: 0xc000_0000, end: 0xfec0_0000 }] })
    for (let count = 0; count < 40; count++) {
      const mapping = dma.map(0x10_0000, 0x100_0000, 'from-device', 'test')!
      const start = mapping.hi * 2 ** 32 + mapping.lo
      const end = start + 0x100_0000
      expect(end <= 0xc000_0000 || start >= 0xfef0_0000).toBe(true)
      expect(end).toBeLessThanOrEqual(unit.inputEnd)
    }
  })
})

describe('events', () => {
  it('are told with the device that the endpoint is, or its address', () => {
    const { subsystem, unit } = setUp([A])
    subsystem.register(unit)
    subsystem.configure(A)
    unit.faults = [
      { endpoint: 0x10, address: 0x1234_5000, reason: 2, access: 'write' },
      { endpoint: 0x99, address: null, reason: 7, access: 'unknown' },
    ]
    expect(subsystem.readFaults()).toEqual([
      {
        source: '0000:00:02.0',
        address: 0x1234_5000,
        reason: 2,
        unit: '0000:00:01.0',
        recordedIn: 'event queue',
        access: 'write',
        text: '0000:00:01.0 blocked a DMA write of 0000:00:02.0 at 0x12345000: reason 2, nothing is mapped there for it',
      },
      expect.objectContaining({
        source: '0000:00:13.1',
        text: '0000:00:01.0 blocked a DMA of 0000:00:13.1: reason 7, a reason that the driver does not know',
      }),
    ])
    expect(subsystem.readFaults()).toEqual([])
  })
})

it('interrupts go as they are: nothing remaps them', () => {
  const { subsystem, unit } = setUp([A])
  subsystem.register(unit)
  subsystem.configure(A)
  expect(subsystem.enableInterruptRemapping()).toBe(false)
  expect(subsystem.msiMessage(A, 0, 0x41)).toEqual({ hi: 0, lo: 0xfee0_0000, data: 0x41 })
  expect(setUp([A], { append: 'pci=nomsi' }).subsystem.msiMessage(A, 0, 0x41)).toBeNull()
})
