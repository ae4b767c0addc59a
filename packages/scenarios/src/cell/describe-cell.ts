import { DmascopeError, nearestName } from '@dmascope/layout'
import { type MachineDescription, requireHypervisor } from '@dmascope/machine'
import { type Cell, cellKey } from './cell.ts'
import { DEVICES, type DeviceInQuestion, describeChannelDevice, describeDevice } from './devices.ts'
import { missingUnder, PLATFORMS, type Platform, type PlatformName } from './platforms.ts'
import { stateOf } from './states.ts'

const MEMORY = 512 * 1024 * 1024

/** A machine for the cell, or why there is none. */
export type DescribedCell =
  | { readonly description: MachineDescription; readonly impossible: null }
  | { readonly description: null; readonly impossible: string }

/** Firmware that writes the device tree's nodes of PCI devices itself: no hypervisor can put anything there. */
const NODE_MAKERS: Readonly<Partial<Record<PlatformName, string>>> = { powernv: 'skiboot', sparc64: 'OpenBIOS' }

const impossible = (reason: string): DescribedCell => ({ description: null, impossible: reason })

/**
 * The machine that a cell names.
 *
 * @throws DmascopeError SCENARIO_CELL where an axis has no such value
 */
export function describeCell(cell: Cell): DescribedCell {
  const platform = requirePlatform(cell.platform)
  const asked = requireDevice(cell.device)
  const hypervisor = requireHypervisor(cell.hypervisor)
  const append = platform.states[cell.iommu]
  if (append === undefined) return impossible(`${platform.name} has no state ${cell.iommu}`)
  const missing = missingUnder(platform, hypervisor.name)
  if (missing !== null) return impossible(missing)
  const lacking = platform.lacks?.[asked.name]
  if (lacking !== undefined) return impossible(lacking)
  const { change, physicalOnly } = stateOf(cell.iommu)
  if (physicalOnly !== undefined && !hypervisor.name.startsWith('physical')) return impossible(physicalOnly)
  if (cell.iommu === 'uncovered' && hypervisor.dmarScopes === 'include-all') {
    return impossible(`${hypervisor.name} has no bus that bypasses the IOMMU, nor tables that could say so`)
  }
  if (asked.asksForPlatform && hypervisor.accessPlatform !== 'property') {
    return impossible(`${hypervisor.name} has no iommu_platform to ask for`)
  }
  if (asked.name === 'assigned' && hypervisor.name.startsWith('physical')) {
    return impossible('nobody assigns devices to a guest on a physical machine')
  }
  const maker = hypervisor.tells.startsWith('property') ? NODE_MAKERS[platform.name] : undefined
  if (maker !== undefined) {
    return impossible(`${maker} makes the nodes of PCI devices on ${platform.name}, and knows of no such property`)
  }
  if (hypervisor.tells.startsWith('property') && platform.name !== 'pseries') {
    return impossible(`${platform.name} has no device tree with nodes for PCI devices, where the property would be`)
  }
  return {
    // What is spread comes last: a literal that begins with it would be of another hidden class for each cell.
    description: {
      qemuVersion: '11.1',
      hypervisor: hypervisor.name,
      name: cellKey(cell),
      source: 'preset',
      memory: platform.memory ?? MEMORY,
      cpus: 1,
      defaultDevices: false,
      devices: [
        ...iommuOf(platform, cell),
        ...(platform.ports ?? []),
        platform.channels === true
          ? describeChannelDevice(asked)
          : {
              ...describeDevice(asked, platform.machine.machineProperties.confidential !== undefined),
              ...behind(platform),
            },
      ],
      append,
      ignored: [],
      ...platform.machine,
      ...(cell.iommu === 'uncovered' && {
        machineProperties: { default_bus_bypass_iommu: true, ...platform.machine.machineProperties },
      }),
      ...change,
    },
    impossible: null,
  }
}

/** Behind a port there is one place. */
const behind = ({ ports = [], place }: Platform): Pick<MachineDescription['devices'][number], 'bus' | 'addr'> => {
  if (place !== undefined) return { bus: place.bus, addr: { device: place.device, function: 0 } }
  const bus = ports.at(-1)?.id
  return bus === undefined ? {} : { bus, addr: { device: 0, function: 0 } }
}

/** Shadowing an assigned device's mappings wants an IOMMU that tells of each. */
function iommuOf({ iommu }: Platform, { device }: Cell): MachineDescription['devices'] {
  if (iommu === null) return []
  const caching = device === 'assigned' && iommu.model === 'intel-iommu'
  return [caching ? { ...iommu, properties: { ...iommu.properties, 'caching-mode': true } } : iommu]
}

/** @throws DmascopeError SCENARIO_CELL */
export const requirePlatform = (name: string): Platform => requireNamed('platform', name, PLATFORMS)

/** @throws DmascopeError SCENARIO_CELL */
export const requireDevice = (name: string): DeviceInQuestion => requireNamed('device', name, DEVICES)

function requireNamed<T extends { readonly name: string }>(axis: string, name: string, known: readonly T[]): T {
  const found = known.find((one) => one.name === name)
  if (found !== undefined) return found
  const names = known.map((one) => one.name)
  const nearest = nearestName(name, names)
  throw new DmascopeError(
    'SCENARIO_CELL',
    `unknown ${axis} "${name}"${nearest === null ? '; ' : `; did you mean ${nearest}? `}known are ${names.join(', ')}`,
    { axis, name, nearest, known: names },
  )
}
