import type { RootFunction } from '@dmascope/acpi'
import { DmascopeError } from '@dmascope/layout'
import type { PlacedDevice } from '../build/placed-bus.ts'
import type { MachineDescription } from '../description.ts'

/**
 * Where the root ports are that firmware calls external-facing, in the description's order.
 *
 * @throws DmascopeError MACHINE_EXTERNAL_PORT for what is no root port of a q35's own bus
 */
export function planExternalPorts(
  { machine, externalPorts = [] }: MachineDescription,
  functions: readonly PlacedDevice[],
): readonly RootFunction[] {
  return externalPorts.map(({ device: id, location }) => {
    const port = functions.find(({ description }) => description.id === id)
    const refuse = (text: string): DmascopeError =>
      new DmascopeError('MACHINE_EXTERNAL_PORT', `${location.text}: ${text}`, { device: id, machine })
    if (port === undefined) throw refuse(`no device has the id '${id}'`)
    if (machine === 'q35' && port.model.kind === 'root-port' && port.bus.name === 'pcie.0') {
      return { device: port.device, function: port.fn }
    }
    throw refuse(
      `'${id}' is a ${port.model.name} on ${port.bus.name}; firmware calls root ports on pcie.0 of a q35 external-facing, and no other device`,
    )
  })
}

/** @throws DmascopeError MACHINE_EXTERNAL_PORT on a machine whose firmware has no way to say it */
export function refuseExternalPorts({ machine, externalPorts = [] }: MachineDescription): void {
  const [first] = externalPorts
  if (first === undefined || machine === 'q35') return
  throw new DmascopeError(
    'MACHINE_EXTERNAL_PORT',
    `${first.location.text}: external ports are modelled for a q35, and this is a ${machine}; write machine: q35, or leave them out`,
    { machine },
  )
}
