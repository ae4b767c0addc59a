import {
  checkMachineProperties,
  MACHINE_PROPERTIES,
  type MachineName,
  machinePropertyName,
  type PropertyValue,
  type QemuVersion,
} from '@dmascope/machine'
import type { Architecture } from './arguments.ts'
import { CONFIDENTIAL_PROPERTIES } from './confidential-guest.ts'
import { type Place, refusal, unknownName } from './refusal.ts'
import type { Settings } from './settings.ts'

/** `-machine` properties without bearing on DMA; those with it are the machine package's `MACHINE_PROPERTIES`. */
const IGNORED = new Set(
  `vmport graphics nvdimm nvdimm-persistence hmat dump-guest-core mem-merge memory-backend suppress-vmdesc fd-bootchk
   max-fw-size pflash1 x-oem-id x-oem-table-id bus-lock-ratelimit igd-passthru pcspk-audiodev dumpdtb dtb kernel
   initrd append phandle-start dt-compatible aux-ram-share enforce-config-section sgx-epc cxl cxl-fmw
   memory smp smp-cache boot shim x-option-roms kvm-type kvm-shadow-mem topology accel wdat
   x-change-vmfd-on-reset`.split(/\s+/),
)

/** Those of pseries alone; its capabilities (`cap-...`) go without saying. */
const IGNORED_ON_PSERIES =
  /^(cap-|kvm-type$|resize-hpt$|vof$|x-vof$|max-cpu-compat$|host-model$|host-serial$|vsmt$|kernel-addr$|modern-hotplug-events$|fadump-cpu-state-size$)/

/** Of the Arm machine alone, and without bearing on DMA. */
const IGNORED_ON_VIRT = new Set(['ras'])

/** Those of s390-ccw-virtio alone. */
const IGNORED_ON_S390X = new Set(['aes-key-wrap', 'dea-key-wrap', 'loadparm', 'zpcii-disable'])

/** Properties that one architecture's machines have alone. */
const ARM_ONLY = [
  ...['gic-version', 'its', 'msi', 'iommu', 'highmem', 'highmem-ecam', 'highmem-mmio', 'highmem-redists'],
  ...['compact-highmem', 'virtualization', 'secure', 'spcr'],
  ...['mte', 'dtb-randomness', 'dtb-kaslr-seed'],
]
const ONLY_OF: Readonly<Record<string, Architecture>> = {
  ...Object.fromEntries(ARM_ONLY.map((name) => [name, 'aarch64'])),
  'ic-mode': 'ppc64',
}

/** Of microvm alone, among the machines of its processors; the last has no bearing on DMA. */
const MICROVM_ONLY = ['rtc', 'pcie', 'ioapic2', 'isa-serial', 'auto-kernel-cmdline', 'x-option-roms']
/** Of PCs, and not of microvm. */
const PC_ONLY = [
  ...['default_bus_bypass_iommu', 'hpet', 'sata', 'smbus', 'i8042', 'max-ram-below-4g', 'x-south-bridge', 'vmport'],
  ...['nvdimm', 'nvdimm-persistence', 'hmat', 'fd-bootchk', 'max-fw-size', 'igd-passthru', 'pcspk-audiodev', 'spcr'],
  ...['pflash0', 'pflash1', 'cxl', 'cxl-fmw'],
]

/** Those that came after 7.2; of those of virt the machine package tells. */
const SINCE_8 = `aux-ram-share fd-bootchk shim smp-cache wdat x-change-vmfd-on-reset x-south-bridge`.split(' ')

/** Whether this machine lacks a property that others have. */
function lacks(machine: MachineName, name: string): boolean {
  const plain = name.replaceAll('_', '-')
  if (machine !== 'pseries' && plain === 'ic-mode') return true
  if (machine !== 'pc' && plain === 'x-south-bridge') return true
  if (machine !== 'q35' && plain === 'wdat') return true
  return (machine === 'microvm' ? PC_ONLY : MICROVM_ONLY).some((one) => one.replaceAll('_', '-') === plain)
}

/** Firmware images: on a PC and on pseries there is firmware in any case. */
const FIRMWARE = ['firmware', 'pflash0']

/** Of ours, not QEMU's. */
const OURS = ['vga', 'defaultNic', 'acpiHotplug', 'firmware', 'confidential']

/**
 * Reads the properties of `-machine`, the type left out. Answers those that bear on DMA or interrupts, typed, under
 * QEMU's names. `accel` is read with `-accel`.
 *
 * @throws DmascopeError QEMU_MACHINE_PROPERTY or MACHINE_PROPERTY_VALUE
 */
export function machineProperties(
  settings: Settings,
  architecture: Architecture,
  machine: MachineName,
  version: QemuVersion,
): Record<string, PropertyValue> {
  const notFound = (key: string, place: Place): Error => {
    const known = ['type', ...Object.keys(MACHINE_PROPERTIES), ...IGNORED].filter(
      (one) => !OURS.includes(one) && (ONLY_OF[one] ?? architecture) === architecture && !lacks(machine, one),
    )
    return unknownName('QEMU_MACHINE_PROPERTY', place, `Property '${key}' not found`, key, known)
  }
  const given: Record<string, PropertyValue> = {}
  const places: Record<string, string> = {}
  for (const [key, value] of settings.values) {
    if (key === 'type') continue
    const place = settings.placeOf(key)
    const name = machinePropertyName(key)
    if (lacks(machine, key)) throw notFound(key, place)
    if (version === '7.2' && SINCE_8.includes(key.replaceAll('_', '-'))) {
      const words = `Property '${key}' not found in QEMU ${version}; QEMU 11.1 has it`
      throw refusal('QEMU_MACHINE_PROPERTY', place, words, { property: key, version })
    }
    if (IGNORED.has(key.replaceAll('_', '-').split('.')[0]!)) continue
    if (machine === 'pseries' && IGNORED_ON_PSERIES.test(key.replaceAll('_', '-'))) continue
    if (architecture === 'aarch64' && IGNORED_ON_VIRT.has(key.replaceAll('_', '-'))) continue
    if (architecture === 's390x' && IGNORED_ON_S390X.has(key.replaceAll('_', '-'))) continue
    if (FIRMWARE.includes(key) || CONFIDENTIAL_PROPERTIES.includes(key.replaceAll('_', '-'))) continue
    if (key === 'iommu' && architecture === 'x86_64') {
      throw refusal('QEMU_MACHINE_PROPERTY', place, "Property 'iommu' not found; write -device intel-iommu instead", {
        property: key,
      })
    }
    if (name === null || OURS.includes(name) || (ONLY_OF[name] ?? architecture) !== architecture) {
      throw notFound(key, place)
    }
    given[name] = value
    places[name] = place.text
  }
  return { ...checkMachineProperties(given, (name) => places[name] ?? '') }
}
