import type { DtNode } from '@dmascope/devicetree'
import { COMMAND, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import type { ConfigAccess } from '../pci/config-access.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { assignedBars, type ScannedFunction, scanNodes } from '../pseries/scan-tree.ts'
import { SIMBA_ID } from '../spec/sabre.ts'
import { placeSabreBar, type SabreBridge } from './sabre-bridge.ts'

const { COMMAND: COMMAND_REGISTER } = PCI_HEADER_TYPE0.registers
const LAST_BUS = 0xff

/**
 * Makes the functions below Sabre from the nodes there (`pci_scan_one_pbm`): a bridge is one whose node says that it is a
 * PCI bus. Where registers are is what Open Firmware chose. Simba is then let forward requests (`apb_init`).
 */
export function scanSabre(bridge: SabreBridge, config: ConfigAccess, log: (line: string) => void): ScannedFunction[] {
  log(`PCI: Scanning PBM ${bridge.path}`)
  const secondaryOf = (fn: PciFunction, node: DtNode): number | null => {
    if (node.string('device_type') !== 'pci') return null
    const [secondary] = node.cells('bus-range')
    if (secondary !== undefined && secondary > fn.bus && secondary <= LAST_BUS) return secondary
    log(`pci ${fn.id}: Can't get bus-range for PCI-PCI bridge, nothing below it is found`)
    return null
  }
  const found = scanNodes(
    { node: bridge.node, segment: 0, firstBus: bridge.firstBus },
    config,
    log,
    (node) => assignedBars(node, (bar) => placeSabreBar(bridge, bar)),
    secondaryOf,
  )
  for (const { fn } of found) if (((fn.deviceId << 16) | fn.vendorId) >>> 0 === SIMBA_ID) openSimba(config, fn)
  return found
}

function openSimba(config: ConfigAccess, fn: PciFunction): void {
  const { SERR_ENABLE, PARITY_ERROR_RESPONSE, BUS_MASTER_ENABLE, MEMORY_SPACE_ENABLE, IO_SPACE_ENABLE } = COMMAND.fields
  const bits = [SERR_ENABLE, PARITY_ERROR_RESPONSE, BUS_MASTER_ENABLE, MEMORY_SPACE_ENABLE, IO_SPACE_ENABLE]
  const command = config.read(fn, COMMAND_REGISTER.offset, 2)
  config.write(
    fn,
    COMMAND_REGISTER.offset,
    2,
    bits.reduce((value, { loMask }) => value | loMask, command),
  )
}
