import type { DeviceScope, DeviceScopeRecord } from '@dmascope/acpi'
import type { PciDevice } from '../contract.ts'
import type { DmarSource, DrhdUnit } from './dmar-units.ts'

/** How a unit came to be responsible for a device. */
export interface ScopeMatch {
  readonly drhd: DrhdUnit
  /** The scope that named the device or a bridge above it; null for INCLUDE_PCI_ALL. */
  readonly scope: DeviceScopeRecord | null
  /** The function that the scope names: the device itself, or a bridge above it. */
  readonly named: PciDevice | null
}

/** Whether the scope's path leads from its root bus to this very function. Compared from the function up. */
function pathEndsAt({ path, startBusNumber }: DeviceScopeRecord, device: PciDevice): boolean {
  let at: PciDevice | null = device
  for (let index = path.length - 1; index >= 0; index--) {
    const step = path[index]!
    if (at === null || at.device !== step.device || at.function !== step.function) return false
    if (index === 0) return at.parent === null && at.bus === startBusNumber
    at = at.parent
  }
  return false
}

/**
 * Whether a scope names this very function: same root bus, same path. Like Linux, a path of one step also matches a
 * function on the bus that the scope starts from, below whatever bridges.
 */
function namesDevice(scope: DeviceScopeRecord, device: PciDevice): boolean {
  if (pathEndsAt(scope, device)) return true
  const only = scope.path.length === 1 ? scope.path[0] : undefined
  return (
    only !== undefined &&
    device.bus === scope.startBusNumber &&
    device.device === only.device &&
    device.function === only.function
  )
}

const isPciScope = (scope: DeviceScope): scope is DeviceScopeRecord =>
  scope.kind === 'endpoint' || scope.kind === 'bridge'

const BASE_CLASS_BRIDGE = 0x06

/** Whether the scope's type fits the function's header; functions that say "bridge" by class alone are let pass. */
function fitsHeader(scope: DeviceScopeRecord, device: PciDevice): boolean {
  const normal = (device.headerType & 0x7f) === 0
  if (scope.kind === 'endpoint') return normal
  return !normal || device.classCode >>> 16 === BASE_CLASS_BRIDGE
}

/** The functions that a list of scopes names. */
export function devicesIn(scopes: readonly DeviceScope[], segment: number, devices: readonly PciDevice[]): PciDevice[] {
  return devices.filter(
    (device) => device.segment === segment && scopes.some((scope) => isPciScope(scope) && namesDevice(scope, device)),
  )
}

/** The first unit, in the kernel's order, with a scope that names this very function; null where there is none. */
export function namedBy(units: readonly DrhdUnit[], device: PciDevice): ScopeMatch | null {
  for (const drhd of units) {
    if (drhd.includeAll || drhd.segment !== device.segment) continue
    for (const scope of drhd.record.scopes) {
      if (isPciScope(scope) && namesDevice(scope, device)) return { drhd, scope, named: device }
    }
  }
  return null
}

/** A function whose scope has the wrong type: the kernel gives up translation altogether. Null where all fit. */
export function findScopeMismatch(units: readonly DrhdUnit[], devices: readonly PciDevice[]): PciDevice | null {
  for (const device of devices) {
    const match = namedBy(units, device)
    if (match?.scope && !fitsHeader(match.scope, device)) return device
  }
  return null
}

/**
 * The unit that is responsible for a device: unit by unit, the first that names it or a bridge above it, or takes all
 * of its segment; null where none does. For a virtual function that is its physical function's: scopes that name the
 * virtual one are not looked at.
 */
export function findUnit(units: readonly DrhdUnit[], device: PciDevice): ScopeMatch | null {
  const claims: (ScopeMatch | null)[] = []
  for (let at: PciDevice | null = device.physical ?? device; at !== null; at = at.parent)
    claims.push(namedBy(units, at))
  for (const drhd of units) {
    if (drhd.includeAll) {
      if (drhd.segment === device.segment) return { drhd, scope: null, named: null }
      continue
    }
    const claim = claims.find((one) => one?.drhd === drhd)
    if (claim) return claim
  }
  return null
}

/** Where a record stands, for people: `DMAR @0x1ffe2334 +0x40`. */
export const sourceOf = (source: DmarSource, record: { readonly offset?: number }): string =>
  `DMAR @0x${source.address.toString(16)} +0x${(record.offset ?? 0).toString(16)}`

/** `00:1f.2`, or a path through bridges: `00:02.0/00.0`. */
export function scopeText(scope: DeviceScopeRecord): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0')
  const steps = scope.path.map((step) => `${hex(step.device)}.${step.function}`)
  return `${hex(scope.startBusNumber)}:${steps.join('/')}`
}
