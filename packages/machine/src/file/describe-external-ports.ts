import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription } from '../description.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

const MOST = 64

/**
 * The ports of a machine file that devices are plugged into from outside.
 *
 * @throws DmascopeError MACHINE_FILE_VALUE for one that no device has the name of
 */
export function describeExternalPorts(
  { externalPorts, devices = [] }: MachineFileContent,
  places: Places,
): Pick<MachineDescription, 'externalPorts'> {
  if (externalPorts === undefined || externalPorts.length === 0) return {}
  const refuse = (path: readonly (string | number)[], text: string): DmascopeError =>
    new DmascopeError('MACHINE_FILE_VALUE', `${places.where(path)}: ${text}`, {})
  if (externalPorts.length > MOST) throw refuse(['externalPorts'], `at most ${MOST}, got ${externalPorts.length}`)
  return {
    externalPorts: externalPorts.map((device, index) => {
      const path = ['externalPorts', index]
      if (devices.some(({ id }) => id === device)) return { device, location: { text: places.where(path) } }
      const ports = devices.flatMap(({ model, id }) => (model === 'pcie-root-port' && id !== undefined ? [id] : []))
      throw refuse(
        path,
        `no device has the id '${device}'; ${ports.length === 0 ? 'give a pcie-root-port one' : `root ports are ${ports.join(', ')}`}`,
      )
    }),
  }
}
