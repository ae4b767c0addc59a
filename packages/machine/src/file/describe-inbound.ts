import { DmascopeError } from '@dmascope/layout'
import { parseSize } from '../catalogue/property.ts'
import type { InboundBusDescription, MachineDescription } from '../description.ts'
import { type InboundWindow, overlapOf } from '../inbound/inbound-windows.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

const PAGE = 4096
const MOST_BUSES = 8
const MOST_WINDOWS = 64
/** Processors of the machine reach no further. */
const END = 2 ** 52

/**
 * The buses of a machine file between devices and memory.
 *
 * @throws DmascopeError MACHINE_FILE_VALUE naming the place
 */
export function describeInbound(
  { machine, inbound }: MachineFileContent,
  places: Places,
): Pick<MachineDescription, 'inbound'> {
  if (inbound === undefined || inbound.length === 0) return {}
  const refuse = (path: readonly (string | number)[], text: string): DmascopeError =>
    new DmascopeError('MACHINE_FILE_VALUE', `${places.where(path)}: ${text}`, { machine })
  if (machine !== 'virt' && machine !== 'bcm3384') {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${places.whereKey(['inbound'])}: only a virt’s host bridge and a bcm3384’s bus have windows for devices; leave it out`,
      { machine },
    )
  }
  if (inbound.length > MOST_BUSES) throw refuse(['inbound'], `at most ${MOST_BUSES} buses, got ${inbound.length}`)
  const described = inbound.map(({ windows }, index): InboundBusDescription => {
    const path = ['inbound', index]
    if (windows.length > MOST_WINDOWS) {
      throw refuse([...path, 'windows'], `at most ${MOST_WINDOWS} windows, got ${windows.length}`)
    }
    const read = windows.map((one, place): InboundWindow => {
      const at = [...path, 'windows', place]
      const number = (key: 'bus' | 'memory' | 'size'): number => {
        const value = parseSize(String(one[key]), 1)
        if (value !== null && value % PAGE === 0 && value <= END && (key !== 'size' || value > 0)) return value
        const wanted = key === 'size' ? 'a size such as 512M' : 'an address such as 0xc0000000'
        throw refuse([...at, key], `expected ${wanted}, of whole pages of 4K below 2^52, got '${one[key]}'`)
      }
      const window = { bus: number('bus'), memory: number('memory'), size: number('size') }
      if (Math.max(window.bus, window.memory) + window.size > END) throw refuse(at, 'the window ends above 2^52')
      return window
    })
    const overlap = overlapOf(read)
    if (overlap !== null) {
      const [a, b] = overlap.map(({ bus }) => `0x${bus.toString(16)}`)
      throw refuse([...path, 'windows'], `the windows at bus addresses ${a} and ${b} overlap`)
    }
    return { windows: read, location: { text: places.where(path) } }
  })
  return { inbound: described }
}
