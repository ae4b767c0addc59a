import { parseDmar, parseIvrs, parseViot } from '@dmascope/acpi'
import { type AcpiTables, tryParse } from '../early/acpi-tables.ts'
import type { IvrsSource } from './amd/ivrs-map.ts'
import type { SmmuTables } from './arm-smmu-v3/smmu-tables.ts'
import type { ReadTopology } from './virtio/request-subsystem.ts'
import type { ViotSource } from './virtio/viot-topology.ts'
import type { DmarSource } from './vtd/dmar-units.ts'

/** What firmware's tables say of IOMMUs, as discovery found it. A kind that none of them names is null or absent. */
export interface IommuTables {
  readonly dmar?: DmarSource | null
  /** Of a measured launch: its own copy of the DMAR, null where it has none. Left out: there was no such launch. */
  readonly launchedDmar?: DmarSource | null
  readonly ivrs?: IvrsSource | null
  readonly viot?: ViotSource | null
  /** SMMUv3s, from a device tree or an IORT. */
  readonly smmu?: SmmuTables | null
  /** IOMMUs on PCI that take requests, from a device tree. */
  readonly requests?: RequestTables | null
}

/** What firmware other than a VIOT says of IOMMUs that take requests. */
interface RequestTables {
  /** Access Control Services are asked for before PCI is enumerated. */
  readonly acsRequested: boolean
  readonly read: ReadTopology
}

/** Parses the tables that name IOMMUs. One that cannot be parsed counts as absent, with a line in the log. */
export function readIommuTables(tables: AcpiTables, log: (line: string) => void): IommuTables {
  const dmar = tables.find('DMAR')
  const ivrs = tables.find('IVRS')
  const viot = tables.find('VIOT')
  const parsedDmar = dmar && tryParse(() => parseDmar(dmar.bytes, { address: dmar.address }), log)
  const parsedIvrs = ivrs && tryParse(() => parseIvrs(ivrs.bytes, { address: ivrs.address }), log)
  const parsedViot = viot && tryParse(() => parseViot(viot.bytes, { address: viot.address }), log)
  return {
    dmar: dmar && parsedDmar && { dmar: parsedDmar, address: dmar.address, bytes: dmar.bytes },
    ivrs: ivrs &&
      parsedIvrs && {
        ivrs: parsedIvrs,
        address: ivrs.address,
        checksumRight: ivrs.checksumRight,
        bytes: ivrs.bytes,
      },
    viot: viot && parsedViot && { viot: parsedViot, address: viot.address, bytes: viot.bytes },
  }
}
