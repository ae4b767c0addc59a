import { buildDefinitionBlock, type DefinitionBlock, readAml } from '../definition-block.ts'
import { AmlInterpreter } from './interpreter.ts'
import { type AmlValue, childOf, NotDecodable } from './objects.ts'
import { type Resources, readResources } from './resources.ts'

/** A device of the namespace that firmware tells of by ID. */
export interface AcpiDevice {
  /** Absolute, segments padded to four characters: `\_SB_.VR00`. */
  path: string
  /** _HID, as text: `LNRO0005`. */
  hid: string
  /** _UID where it is a number, else null. */
  uid: number | null
  /** _CRS, null where it is absent or not decodable. */
  resources: Resources | null
  /** _CCA: its DMA is coherent with caches; null where nothing says so. */
  coherent: boolean | null
}

/**
 * Finds the devices of a definition block whose _HID is this text, in the order of the namespace, but for those that
 * say by _STA that they are not there.
 *
 * @param block - a DSDT or SSDT, as bytes or parsed
 * @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE`
 */
export function findAcpiDevices(block: Uint8Array | DefinitionBlock, hid: string): AcpiDevice[] {
  const { wide, aml } = readAml(block instanceof Uint8Array ? block : buildDefinitionBlock(block))
  const interpreter = new AmlInterpreter(wide)
  interpreter.load(aml)
  const found: AcpiDevice[] = []
  for (const [path, object] of [...interpreter.namespace.entries()]) {
    if (object.kind !== 'device') continue
    const value = (name: string): AmlValue | undefined => evaluated(interpreter, childOf(path, name))
    if (value('_HID') !== hid) continue
    const status = value('_STA')
    if (typeof status === 'bigint' && (status & PRESENT) === 0n) continue
    const uid = value('_UID')
    const resources = value('_CRS')
    const coherent = value('_CCA')
    found.push({
      path,
      hid,
      uid: typeof uid === 'bigint' ? Number(uid) : null,
      resources: resources instanceof Uint8Array ? readResources(resources) : null,
      coherent: typeof coherent === 'bigint' ? coherent !== 0n : null,
    })
  }
  return found
}

/** _STA: the device is there. */
const PRESENT = 1n

/** Undefined where there is nothing, or nothing that can be evaluated without hardware. */
function evaluated(interpreter: AmlInterpreter, path: string): AmlValue | undefined {
  try {
    return interpreter.evaluate(path)
  } catch (error) {
    if (error instanceof NotDecodable) return undefined
    throw error
  }
}
