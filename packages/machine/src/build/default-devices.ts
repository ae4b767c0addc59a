import type { Chipset } from '../chipset/chipset.ts'
import type { DeviceDescription, MachineDescription } from '../description.ts'

/** Where a device is written that the machine brings itself. */
export const BY_DEFAULT = { text: 'default device' }

/** Models that stand in for the default display where the user names one. */
const DISPLAYS = /^(VGA|cirrus-vga|qxl-vga|vmware-svga|virtio-vga(-gl)?|bochs-display|ati-vga)$/

/**
 * Adds what QEMU adds unless told otherwise: a display, and a network card of the machine's own model. They come before
 * all others, and so get the first free slots.
 */
export function withDefaultDevices(machine: MachineDescription, chipset: Chipset): MachineDescription {
  const { vga, defaultNic, usb } = machine.machineProperties
  const added: DeviceDescription[] = usb === true ? usbControllers(chipset) : []
  if (!machine.defaultDevices) return { ...machine, devices: [...added, ...machine.devices] }
  const hasDisplay = machine.devices.some(({ model }) => DISPLAYS.test(model))
  if (vga !== 'none' && !hasDisplay) added.push({ model: 'VGA', properties: {}, location: BY_DEFAULT })
  if (defaultNic !== false) {
    added.push({
      model: chipset.express ? 'e1000e' : 'e1000',
      properties: {},
      backend: { kind: 'network', where: 'qemu' },
      location: BY_DEFAULT,
    })
  }
  return { ...machine, devices: [...added, ...machine.devices] }
}

/** The chipset's own USB controllers, which are there only when asked for, at their places. */
function usbControllers(chipset: Chipset): DeviceDescription[] {
  const at = (model: string, device: number, fn: number): DeviceDescription => ({
    model,
    addr: { device, function: fn },
    properties: chipset.express ? { multifunction: true } : {},
    location: BY_DEFAULT,
  })
  if (!chipset.express) return [at('piix3-usb-uhci', 1, 2)]
  const companions = [1, 2, 3].map((number) => at(`ich9-usb-uhci${number}`, 0x1d, number - 1))
  return [...companions, at('ich9-usb-ehci1', 0x1d, 7)]
}

/** The same for pseries, whose default network card and disks are not on PCI: a display, and where there is one, USB. */
export function withPseriesDefaults(machine: MachineDescription): MachineDescription {
  const { vga, usb } = machine.machineProperties
  const added: DeviceDescription[] = []
  if (machine.defaultDevices && vga !== 'none' && !machine.devices.some(({ model }) => DISPLAYS.test(model))) {
    added.push({ model: 'VGA', properties: {}, location: BY_DEFAULT })
  }
  if (usb === true || (machine.defaultDevices && usb !== false)) {
    added.push({ model: 'nec-usb-xhci', properties: {}, location: BY_DEFAULT })
  }
  return { ...machine, devices: [...added, ...machine.devices] }
}

/** The same for virt: a network card, and no display. */
export function withVirtDefaults(machine: MachineDescription): MachineDescription {
  if (!machine.defaultDevices || machine.machineProperties.defaultNic === false) return machine
  const card: DeviceDescription = {
    model: 'virtio-net-pci',
    properties: {},
    backend: { kind: 'network', where: 'qemu' },
    location: BY_DEFAULT,
  }
  return { ...machine, devices: [card, ...machine.devices] }
}

/**
 * What a sun4u has on its board: the bridges to its two buses, and on the first of these its own devices; unless told
 * otherwise with a network card and a display, which takes the slot that is left.
 */
export function withSun4uDevices(machine: MachineDescription): MachineDescription {
  const { vga, defaultNic } = machine.machineProperties
  const on = (model: string, bus: string, device: number, fn: number, multifunction: boolean): DeviceDescription => ({
    model,
    bus,
    addr: { device, function: fn },
    properties: multifunction ? { multifunction: true } : {},
    location: BY_DEFAULT,
  })
  const card = machine.defaultDevices && defaultNic !== false
  const hasDisplay = machine.devices.some(({ model }) => DISPLAYS.test(model))
  const display = machine.defaultDevices && vga !== 'none' && !hasDisplay
  const onboard = [
    { ...on('pbm-bridge', 'pci', 1, 0, true), id: 'pciB' },
    { ...on('pbm-bridge', 'pci', 1, 1, true), id: 'pciA' },
    on('ebus', 'pciA', 1, 0, true),
    ...(display ? [on('VGA', 'pciA', 2, 0, false)] : []),
    ...(card ? [on('sunhme', 'pciA', 1, 1, true)] : []),
    on('cmd646-ide', 'pciA', 3, 0, false),
  ]
  return { ...machine, devices: [...onboard, ...machine.devices] }
}

/** Host bridges of a chip, each with its root port, where the machine brings its own. No display and no network card. */
export function withPowernvDefaults(machine: MachineDescription, hostBridges: number): MachineDescription {
  if (!machine.defaultDevices) return machine
  const added = Array.from({ length: hostBridges }, (_, index): DeviceDescription[] => [
    { model: 'pnv-phb', properties: { index }, location: BY_DEFAULT },
    { model: 'pnv-phb-root-port', properties: {}, location: BY_DEFAULT },
  ])
  return { ...machine, devices: [...added.flat(), ...machine.devices] }
}
