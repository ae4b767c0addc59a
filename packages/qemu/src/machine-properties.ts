import { checkMachineProperties, MACHINE_PROPERTIES, machinePropertyName, type PropertyValue } from '@dmascope/machine'
import type { Architecture } from './arguments.ts'
import { refusal, unknownName } from './refusal.ts'
import type { Settings } from './settings.ts'

/** `-machine` properties without bearing on DMA; those with it are the machine package's `MACHINE_PROPERTIES`. */
const IGNORED = new Set(
  `vmport graphics nvdimm nvdimm-persistence hmat dump-guest-core mem-merge memory-backend suppress-vmdesc fd-bootchk
   max-fw-size pflash0 pflash1 x-oem-id x-oem-table-id bus-lock-ratelimit igd-passthru pcspk-audiodev dumpdtb dtb kernel
   initrd append firmware phandle-start dt-compatible spcr aux-ram-share enforce-config-section sgx-epc cxl cxl-fmw
   memory smp smp-cache boot kvm-type kvm-shadow-mem topology accel`.split(/\s+/),
)

/** Those of pseries alone; its capabilities (`cap-...`) go without saying. */
const IGNORED_ON_PSERIES =
  /^(cap-|kvm-type$|resize-hpt$|vof$|x-vof$|max-cpu-compat$|host-model$|host-serial$|vsmt$|kernel-addr$|modern-hotplug-events$|fadump-cpu-state-size$)/

/** Of ours, not QEMU's. */
const OURS = ['vga', 'defaultNic']

/**
 * Reads the properties of `-machine`, the type left out. Answers those that bear on DMA or interrupts, typed, under
 * QEMU's names. `accel` is read with `-accel`.
 *
 * @throws DmascopeError QEMU_MACHINE_PROPERTY or MACHINE_PROPERTY_VALUE
 */
export function machineProperties(settings: Settings, architecture: Architecture): Record<string, PropertyValue> {
  const given: Record<string, PropertyValue> = {}
  const places: Record<string, string> = {}
  for (const [key, value] of settings.values) {
    if (key === 'type') continue
    const place = settings.placeOf(key)
    const name = machinePropertyName(key)
    if (IGNORED.has(key.replaceAll('_', '-').split('.')[0]!)) continue
    if (architecture === 'ppc64' && IGNORED_ON_PSERIES.test(key.replaceAll('_', '-'))) continue
    if (key === 'iommu') {
      throw refusal('QEMU_MACHINE_PROPERTY', place, "Property 'iommu' not found; write -device intel-iommu instead", {
        property: key,
      })
    }
    if (name === null || OURS.includes(name) || (name === 'ic-mode' && architecture !== 'ppc64')) {
      const known = ['type', ...Object.keys(MACHINE_PROPERTIES), ...IGNORED].filter((one) => !OURS.includes(one))
      throw unknownName('QEMU_MACHINE_PROPERTY', place, `Property '${key}' not found`, key, known)
    }
    given[name] = value
    places[name] = place.text
  }
  return { ...checkMachineProperties(given, (name) => places[name] ?? '') }
}
