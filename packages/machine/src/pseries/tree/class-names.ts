/**
 * Names of nodes by class code: base class, sub-class, programming interface (PCI Bus Binding to Open Firmware,
 * §2.5 "name"). A class without its sub-class here has the first name of its list.
 */
interface ClassNames {
  readonly name: string
  readonly subclasses?: Readonly<Record<number, string | Readonly<Record<number, string>>>>
}

const CLASSES: readonly ClassNames[] = [
  { name: 'legacy-device', subclasses: { 1: 'display' } },
  {
    name: 'mass-storage',
    subclasses: { 0: 'scsi', 1: 'ide', 2: 'fdc', 3: 'ipi', 4: 'raid', 5: 'ata', 6: 'sata', 7: 'sas' },
  },
  {
    name: 'network',
    subclasses: { 0: 'ethernet', 1: 'token-ring', 2: 'fddi', 3: 'atm', 4: 'isdn', 5: 'worldfip', 6: 'picmg' },
  },
  { name: 'display', subclasses: { 0: 'vga', 1: 'xga', 2: '3d-controller' } },
  { name: 'multimedia-device', subclasses: { 0: 'video', 1: 'sound', 2: 'telephony' } },
  { name: 'memory-controller', subclasses: { 0: 'memory', 1: 'flash' } },
  {
    name: 'unknown-bridge',
    subclasses: {
      0: 'host',
      1: 'isa',
      2: 'eisa',
      3: 'mca',
      4: 'pci',
      5: 'pcmcia',
      6: 'nubus',
      7: 'cardbus',
      8: 'raceway',
      9: 'semi-transparent-pci',
      10: 'infiniband',
    },
  },
  {
    name: 'communication-controller',
    subclasses: { 0: 'serial', 1: 'parallel', 2: 'multiport-serial', 3: 'modem', 4: 'gpib', 5: 'smart-card' },
  },
  {
    name: 'system-peripheral',
    subclasses: {
      0: { [-1]: 'interrupt-controller', 16: 'io-apic', 32: 'io-xapic' },
      1: 'dma-controller',
      2: 'timer',
      3: 'rtc',
      4: 'hot-plug-controller',
      5: 'sd-host-controller',
    },
  },
  { name: 'input-controller', subclasses: { 0: 'keyboard', 1: 'pen', 2: 'mouse', 3: 'scanner', 4: 'gameport' } },
  { name: 'docking-station', subclasses: { 0: 'dock' } },
  { name: 'cpu', subclasses: { 2: 'pentium', 32: 'powerpc', 48: 'mips', 64: 'co-processor' } },
  {
    name: 'serial-bus',
    subclasses: {
      0: 'firewire',
      1: 'access-bus',
      2: 'ssa',
      3: {
        [-1]: 'usb',
        0: 'usb-uhci',
        16: 'usb-ohci',
        32: 'usb-ehci',
        48: 'usb-xhci',
        128: 'usb-unknown',
        254: 'usb-device',
      },
      4: 'fibre-channel',
      5: 'smb',
      6: 'infiniband',
      7: 'ipmi',
      8: 'sercos',
      9: 'canbus',
    },
  },
  {
    name: 'wireless-controller',
    subclasses: { 0: 'irda', 1: 'consumer-ir', 16: 'rf-controller', 17: 'bluetooth', 18: 'broadband' },
  },
  { name: 'intelligent-io' },
  {
    name: 'satellite-device',
    subclasses: { 1: 'satellite-tv', 2: 'satellite-audio', 3: 'satellite-voice', 4: 'satellite-data' },
  },
  { name: 'encryption', subclasses: { 0: 'network-encryption', 16: 'entertainment-encryption' } },
  {
    name: 'data-processing-controller',
    subclasses: { 0: 'dpio', 1: 'counter', 16: 'measurement', 32: 'management-card' },
  },
]

/** The name of a function's node, without unit address, by its 24-bit class code. */
export function nameOfClass(classCode: number): string {
  const names = CLASSES[classCode >>> 16]
  if (names === undefined) return 'pci'
  const found = names.subclasses?.[(classCode >>> 8) & 0xff] ?? names.name
  return typeof found === 'string' ? found : (found[classCode & 0xff] ?? found[-1]!)
}
