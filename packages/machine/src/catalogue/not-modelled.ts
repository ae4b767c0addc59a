/** What a group of device models of QEMU needs that is not modelled. */
interface Gap {
  readonly names: RegExp
  readonly because: string
}

const GAPS: readonly Gap[] = [
  { names: /^(?:pxb-cxl|cxl-(?:rp|upstream|downstream|type[13]))$/, because: 'CXL is not modelled' },
  { names: /^(?:vmbus-bridge|hv-(?:balloon|syndbg)|hyperv-testdev)$/, because: 'VMBus is not modelled' },
  { names: /^xen-/, because: 'Xen guests are not modelled' },
  { names: /^(?:ctucan_pci|kvaser_pci|mioe3680_pci|pcm3680_pci)$/, because: 'CAN controllers are not modelled' },
  { names: /^(?:tpci200|ipoctal232)$/, because: 'IndustryPack carriers are not modelled' },
  { names: /^ufs(?:-lu)?$/, because: 'UFS is not modelled' },
  {
    names: /^(?:pci-ipmi-(?:kcs|bt)|acpi-erst|igbvf|igd-passthrough-isa-bridge|x-pci-proxy-dev)$/,
    because: 'it is not modelled',
  },
  { names: /^virtio-p?mem$/, because: 'memory devices without a transport are not modelled' },
  {
    names: /^(?:vhost-user-(?:test-)?device-pci|vhost-user-spi-pci|vhost-user-(?:test|spi)-device|vhost-user-rtc)$/,
    because: 'its virtio device type is not known',
  },
]

/** Why a device that QEMU has is refused here; null where the name is none of QEMU's either. */
export function whyNotModelled(name: string): string | null {
  const gap = GAPS.find(({ names }) => names.test(name))
  return gap === undefined ? null : `device '${name}' of QEMU cannot be used here: ${gap.because}; leave it out`
}
