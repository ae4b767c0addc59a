import { aml, busNumbers, interrupts, memoryWindow, resourceTemplate, wideMemoryWindow } from '@dmascope/acpi'
import type { QemuVersion } from '../description.ts'
import { type AddressBlock, MICROVM } from './memory-map.ts'

/** PCI Express's host bridge capabilities (PCI Firmware 3.3 §4.5.1), and device labels (§4.6). */
const OSC_UUID = '33db4d5b-1ff7-401c-9657-7441c03dd766'
const DSM_UUID = 'e5c937d0-3553-4d7a-9117-ea4d19c3434d'
const SLOTS = 32
const PINS = [0, 1, 2, 3] as const
const ECAM_BUSES = MICROVM.pcieEcam.size / 0x10_0000
const { arg, device, integer, name, nameString, returns } = aml

const window = ({ base, size }: AddressBlock): aml.Aml => memoryWindow({ first: base, last: base + size - 1 })

/** Links for the four pins, named and placed as the release does. */
const linkName = (version: QemuVersion, pin: number): string => (version === '7.2' ? `GSI${pin}` : `L00${pin}`)

function links(version: QemuVersion, firstGsi: number): aml.Aml[] {
  return PINS.map((pin) => {
    const wire = resourceTemplate(interrupts([firstGsi + pin], { exclusive: true }))
    return device(
      linkName(version, pin),
      name('_HID', aml.text('PNP0C0F')),
      name('_UID', integer(pin)),
      name('_PRS', wire),
      name('_CRS', wire),
      aml.method('_SRS', 1),
    )
  })
}

const routing = (version: QemuVersion): aml.Aml =>
  name(
    '_PRT',
    aml.varPackage(
      ...Array.from({ length: SLOTS }, (_, slot) =>
        PINS.map((pin) =>
          aml.pkg(
            integer(slot * 0x1_0000 + 0xffff),
            integer(pin),
            nameString(linkName(version, (slot + pin) % PINS.length)),
            integer(0),
          ),
        ),
      ).flat(),
    ),
  )

/** What software may control of PCI Express: the newer release keeps hot plug by its standard controller to itself. */
function controlHandOff(version: QemuVersion): aml.Aml[] {
  const old = version === '7.2'
  const control = old ? nameString('CTRL') : aml.local(0)
  const asked = nameString('CDW3')
  const status = nameString('CDW1')
  const fails = (bit: number): aml.Aml => aml.or(status, integer(bit), status)
  const answer = old ? [returns(arg(3))] : []
  const method = aml.method(
    '_OSC',
    4,
    aml.dwordField(arg(3), 0, 'CDW1'),
    aml.when(
      aml.equal(arg(0), aml.uuid(OSC_UUID)),
      [
        aml.dwordField(arg(3), 4, 'CDW2'),
        aml.dwordField(arg(3), 8, 'CDW3'),
        ...(old ? [aml.store(nameString('CDW2'), nameString('SUPP'))] : []),
        aml.store(asked, control),
        aml.and(control, integer(old ? 0x1f : 0x1e), control),
        aml.when(aml.not(aml.equal(arg(1), integer(1))), [fails(8)]),
        aml.when(aml.not(aml.equal(asked, control)), [fails(0x10)]),
        aml.store(control, asked),
        ...answer,
      ],
      [fails(4), ...answer],
    ),
    ...(old ? [] : [returns(arg(3))]),
  )
  return old ? [name('SUPP', integer(0)), name('CTRL', integer(0)), method] : [method]
}

const labels = (version: QemuVersion): aml.Aml =>
  aml.method(
    '_DSM',
    4,
    aml.when(aml.equal(arg(0), aml.uuid(DSM_UUID)), [
      aml.when(aml.equal(arg(2), integer(0)), [returns(aml.buffer(Uint8Array.of(version === '7.2' ? 1 : 0)))]),
    ]),
    returns(aml.buffer(Uint8Array.of(0))),
  )

/**
 * QEMU's generic PCI Express host bridge in a namespace (`acpi_dsdt_add_gpex`): it tells itself where configuration
 * space is, for there is no MCFG.
 */
export function gpexHostBridge(version: QemuVersion, firstGsi: number, highWindow: AddressBlock): aml.Aml[] {
  const wires = links(version, firstGsi)
  const [before, within] = version === '7.2' ? [[], wires] : [wires, []]
  const { base, size } = MICROVM.pcieEcam
  const bridge = device(
    'PCI0',
    name('_HID', aml.text('PNP0A08')),
    name('_CID', aml.text('PNP0A03')),
    name('_SEG', integer(0)),
    name('_BBN', integer(0)),
    name('_UID', integer(0)),
    name('_STR', aml.unicode('PCIe 0 Device')),
    name('_CCA', integer(1)),
    routing(version),
    ...within,
    aml.method('_CBA', 0, returns(integer(base))),
    name(
      '_CRS',
      resourceTemplate(busNumbers({ first: 0, last: ECAM_BUSES - 1 }), window(MICROVM.pcieMmio), window(highWindow)),
    ),
    ...controlHandOff(version),
    labels(version),
    device(
      'RES0',
      name('_HID', aml.text('PNP0C02')),
      name('_CRS', resourceTemplate(wideMemoryWindow({ first: base, last: base + size - 1 }))),
    ),
  )
  return [...before, bridge]
}
