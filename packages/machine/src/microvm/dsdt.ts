import {
  aml,
  buildDefinitionBlock,
  fixedMemory,
  interrupts,
  isaInterrupt,
  ports,
  resourceTemplate,
  toHex,
} from '@dmascope/acpi'
import { FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT } from '../firmware/fw-cfg.ts'
import { qemuHeader } from '../firmware/qemu-header.ts'
import { gpexHostBridge } from './host-bridge.ts'
import { EVENT_GSI, MICROVM } from './memory-map.ts'
import type { MicrovmFacts } from './microvm-facts.ts'

const { device, integer, name, text } = aml

/** Present, enabled, and working; shown in user interfaces or not. */
const STA = { hidden: 0x0b, shown: 0x0f } as const
/** The event for the power button, and what the button is told. */
const POWER_DOWN = 2
const BUTTON_PRESSED = 0x80
/** Sleep type for S5. */
const SLP_TYP_S5 = 5

const firmwareConfiguration = (): aml.Aml =>
  device(
    'FWCF',
    name('_HID', text('QEMU0002')),
    name('_STA', integer(STA.hidden)),
    name('_CRS', resourceTemplate(ports(FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT))),
  )

const serialPort = (nature: 'edge' | 'level-low'): aml.Aml =>
  device(
    'COM1',
    name('_HID', aml.eisaId('PNP0501')),
    name('_UID', integer(1)),
    name('_STA', integer(STA.shown)),
    name('_CRS', resourceTemplate(ports(0x3f8, 8, 0), isaInterrupt(4, nature))),
  )

const clock = (): aml.Aml =>
  device('RTC', name('_HID', aml.eisaId('PNP0B00')), name('_CRS', resourceTemplate(ports(0x70, 8), isaInterrupt(8))))

/** Power events by an interrupt, in place of the fixed hardware that there is none of (ACPI 6.5 §5.6.9). */
function genericEventDevice(): aml.Aml[] {
  const { base, size } = MICROVM.generalEventDevice
  const select = aml.nameString('ESEL')
  const events = aml.local(0)
  return [
    device(
      'GED',
      name('_HID', text('ACPI0013')),
      name('_UID', text('GED')),
      name('_CRS', resourceTemplate(interrupts([EVENT_GSI], { edge: true, exclusive: true }))),
      aml.memoryRegion('EREG', base, size),
      aml.wordField('EREG', 'ESEL'),
      aml.serializedMethod(
        '_EVT',
        1,
        aml.store(select, events),
        aml.when(aml.equal(aml.and(events, integer(POWER_DOWN)), integer(POWER_DOWN)), [
          aml.notify('PWRB', BUTTON_PRESSED),
        ]),
      ),
    ),
    device('PWRB', name('_HID', text('PNP0C0C')), name('_UID', integer(0))),
  ]
}

/** A virtio transport that something is plugged into. */
function virtioTransport({ transports }: MicrovmFacts, index: number): aml.Aml {
  const { base, size } = MICROVM.virtioMmio
  return device(
    `VR${String(index).padStart(2, '0')}`,
    name('_HID', text('LNRO0005')),
    name('_UID', integer(index)),
    name('_CCA', integer(1)),
    name(
      '_CRS',
      resourceTemplate(
        fixedMemory(base + index * size, size),
        interrupts([transports.firstGsi + index], { exclusive: true }),
      ),
    ),
  )
}

/**
 * The namespace, byte for byte QEMU's (`build_dsdt_microvm`).
 *
 * DEVIATION: an expander of PCI Express is in none of it, as in QEMU; nor are devices that one adds to the ISA bus.
 *
 * @param occupied - transports that hold a device, in the order in which the table shall name them
 */
export function microvmDsdt(facts: MicrovmFacts, occupied: readonly number[]): Uint8Array {
  const { qemuVersion, pcie } = facts
  const system = aml.scope(
    '_SB',
    firmwareConfiguration(),
    ...(facts.serial ? [serialPort(qemuVersion === '7.2' ? 'edge' : 'level-low')] : []),
    ...(facts.clock ? [clock()] : []),
    ...genericEventDevice(),
    ...occupied.map((index) => virtioTransport(facts, index)),
    ...(pcie === null ? [] : gpexHostBridge(qemuVersion, pcie.firstGsi, pcie.highWindow)),
  )
  const off = aml.scope('\\', name('_S5', aml.pkg(...[SLP_TYP_S5, 0, 0, 0].map(integer))))
  return buildDefinitionBlock({ signature: 'DSDT', header: qemuHeader(2), aml: toHex(aml.join(system, off)) })
}
