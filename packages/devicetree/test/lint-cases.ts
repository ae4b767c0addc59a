import type { LintContext } from '../src/lint/index.ts'

/** Source text that trips a rule at a property, and one that does not. */
export interface LintCase {
  readonly rule: string
  readonly trips: string
  readonly at: readonly [node: string, property: string]
  readonly clean: string
  readonly context?: LintContext
}

/** An SMMUv3, an ITS, and whatever else, in a tree of 64-bit addresses. */
const board = (
  more: string,
  smmu = '#iommu-cells = <1>;',
  its = 'msi-controller; #msi-cells = <1>;',
): string => `/dts-v1/;
/ {
  #address-cells = <2>; #size-cells = <2>;
  smmu: iommu@1 { compatible = "arm,smmu-v3"; ${smmu} };
  its: its@2 { ${its} };
  ${more}
};`
const device = (properties: string): string => board(`device@3 { ${properties} };`)
const bridge = (properties: string, more = ''): string =>
  board(`pcie@4 { device_type = "pci"; #address-cells = <3>; #size-cells = <2>; ${properties} ${more} };`)
const pseries = (window: string, more = ''): string =>
  `/dts-v1/; / { pci@8 { ibm,dma-window = <${window}>; ibm,#dma-address-cells = <2>; ibm,#dma-size-cells = <2>; }; ${more} };`

const ON_DEVICE = ['/device@3', 'iommus'] as const
const ON_BRIDGE = ['/pcie@4', 'iommu-map'] as const
const at = (bus: number, dev: number) => ({ segment: 0, bus, device: dev, function: 0 })
const machine = { topology: { functions: [at(0, 1), at(0, 2), at(1, 0)] } }

export const LINT_CASES: readonly LintCase[] = [
  {
    rule: 'DT-0004',
    trips: board('device@3 { phandle = <9>; }; other { phandle = <9>; };'),
    at: ['/other', 'phandle'],
    clean: board('device@3 { phandle = <9>; }; other { phandle = <8>; };'),
  },
  { rule: 'DT-0005', trips: device('phandle = <0>;'), at: ['/device@3', 'phandle'], clean: device('phandle = <1>;') },
  { rule: 'DT-0005', trips: device('phandle = <9 9>;'), at: ['/device@3', 'phandle'], clean: device('phandle = <9>;') },
  { rule: 'DT-0006', trips: device('iommus = <0x99 1>;'), at: ON_DEVICE, clean: device('iommus = <&smmu 1>;') },
  {
    rule: 'DT-0006',
    trips: device('msi-parent = <0x99>;'),
    at: ['/device@3', 'msi-parent'],
    clean: device('msi-parent = <&its 1>;'),
  },
  { rule: 'DT-0007', trips: device('iommus = <&its 1>;'), at: ON_DEVICE, clean: device('iommus = <&smmu 1>;') },
  { rule: 'DT-0008', trips: device('iommus = <&smmu>;'), at: ON_DEVICE, clean: device('iommus = <&smmu 1 &smmu 2>;') },
  {
    rule: 'DT-0009',
    trips: bridge('iommu-map = <0 &smmu 0>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0 1>;'),
  },
  { rule: 'DT-0009', trips: bridge('msi-map;'), at: ['/pcie@4', 'msi-map'], clean: bridge('msi-map = <0 &its 0 1>;') },
  {
    rule: 'DT-0010',
    trips: bridge('iommu-map = <0x100 &smmu 0 1>; iommu-map-mask = <0xff>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0x10 &smmu 0 1>; iommu-map-mask = <0xff>;'),
  },
  {
    rule: 'DT-0011',
    trips: bridge('iommu-map = <0 0x99 0 1>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0 1>;'),
  },
  {
    rule: 'DT-0012',
    trips: bridge('iommu-map = <0x8 &smmu 8 8>, <0 &smmu 0 9>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0x8 &smmu 8 8>, <0 &smmu 0 8>;'),
  },
  {
    rule: 'DT-0013',
    trips: board('pcie@4 { iommu-map = <0 &smmu 0 1>; };', '#iommu-cells = <2>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0 1>;'),
  },
  {
    rule: 'DT-0013',
    trips: bridge('iommu-map = <0 &its 0 0x10000>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0 0x10000>;'),
  },
  {
    rule: 'DT-0014',
    trips: bridge('iommu-map = <0 &smmu 0 0>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0 0x10000>;'),
  },
  {
    rule: 'DT-0014',
    trips: bridge('iommu-map = <0 &smmu 0xffffff00 0x101>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0xffffff00 0x100>;'),
  },
  {
    rule: 'DT-0015',
    trips: board('device@3 { iommus = <&smmu 1>; };', '#iommu-cells = <1>; status = "disabled";'),
    at: ON_DEVICE,
    clean: board('device@3 { iommus = <&smmu 1>; status = "disabled"; };', '#iommu-cells = <1>; status = "disabled";'),
  },
  {
    rule: 'DT-0015',
    trips: board('pcie@4 { iommu-map = <0 &smmu 0 1>; };', '#iommu-cells = <1>; status = "disabled";'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0 1>;'),
  },
  {
    rule: 'DT-0016',
    trips: bridge('msi-map = <0 &smmu 0 1>;'),
    at: ['/pcie@4', 'msi-map'],
    clean: bridge('msi-map = <0 &its 0 1>;'),
  },
  {
    rule: 'DT-0016',
    trips: device('msi-parent = <&smmu>;'),
    at: ['/device@3', 'msi-parent'],
    clean: device('msi-parent = <&its 0>;'),
  },
  {
    rule: 'DT-0017',
    trips: device('dma-ranges = <0 0 0 0>;'),
    at: ['/device@3', 'dma-ranges'],
    clean: device('#address-cells = <1>; #size-cells = <2>; dma-ranges = <0 0 0 1 0>;'),
  },
  {
    rule: 'DT-0018',
    trips: device('#address-cells = <1>; #size-cells = <1>; dma-ranges;'),
    at: ['/device@3', 'dma-ranges'],
    clean: device('#address-cells = <2>; #size-cells = <2>; dma-ranges;'),
  },
  {
    rule: 'DT-0019',
    trips: bridge('dma-ranges = <0x2000000 0 0 0 0 1 0>, <0x3000000 0 0x1000 0 0x1000 1 0>;'),
    at: ['/pcie@4', 'dma-ranges'],
    clean: bridge('dma-ranges = <0x2000000 0 0 0 0 1 0>, <0x3000000 1 0 1 0 1 0>;'),
  },
  {
    rule: 'DT-0019',
    trips: bridge('dma-ranges = <0x2000000 0 0 0 0 0 0>;'),
    at: ['/pcie@4', 'dma-ranges'],
    clean: bridge('dma-ranges = <0x2000000 0 0 0 0 0 1>;'),
  },
  {
    rule: 'DT-0020',
    trips: device('dma-coherent; dma-noncoherent;'),
    at: ['/device@3', 'dma-noncoherent'],
    clean: device('dma-coherent;'),
  },
  {
    rule: 'DT-0021',
    trips: pseries('0x80000000 0 0 0'),
    at: ['/pci@8', 'ibm,dma-window'],
    clean: pseries('0x80000000 0 0 0 0x40000000'),
  },
  {
    rule: 'DT-0021',
    trips: pseries('0x80000000 0 0 0 0'),
    at: ['/pci@8', 'ibm,dma-window'],
    clean: pseries('0x80000000 0 0 0 1'),
  },
  {
    rule: 'DT-0021',
    trips:
      '/dts-v1/; / { pci@8 { ibm,dma-window = <1 0 0 0 1 0 0>; ibm,#dma-address-cells = <2>; ibm,#dma-size-cells = <2>; }; };',
    at: ['/pci@8', 'ibm,dma-window'],
    clean: pseries('1 0 0 0 1'),
  },
  {
    rule: 'DT-0022',
    trips: pseries(
      '1 0 0 0 1',
      'pci@9 { ibm,dma-window = <1 0 0 0 1>; ibm,#dma-address-cells = <2>; ibm,#dma-size-cells = <2>; };',
    ),
    at: ['/pci@9', 'ibm,dma-window'],
    clean: pseries(
      '1 0 0 0 1',
      'pci@9 { ibm,dma-window = <2 0 0 0 1>; ibm,#dma-address-cells = <2>; ibm,#dma-size-cells = <2>; };',
    ),
  },
  {
    rule: 'DT-0023',
    trips: board('device@3 { iommus = <&smmu 1>; }; other { iommus = <&smmu 2>, <&smmu 1>; };'),
    at: ['/other', 'iommus'],
    clean: board('device@3 { iommus = <&smmu 1>; }; other { iommus = <&smmu 1>; status = "disabled"; };'),
  },
  {
    rule: 'DT-0024',
    trips: bridge(
      'iommu-map = <0 &viommu 0 0x10000>;',
      'viommu: iommu@8 { reg = <0x4000 0 0 0 0>; #iommu-cells = <1>; };',
    ),
    at: ON_BRIDGE,
    clean: bridge(
      'iommu-map = <0 &viommu 0 0x40>, <0x41 &viommu 0x41 0xffbf>;',
      'viommu: iommu@8 { reg = <0x4000 0 0 0 0>; #iommu-cells = <1>; };',
    ),
  },
  {
    rule: 'DT-0024',
    trips: board('self: iommu@9 { #iommu-cells = <1>; iommus = <&self 1>; };'),
    at: ['/iommu@9', 'iommus'],
    clean: board('self: iommu@9 { #iommu-cells = <1>; iommus = <&smmu 1>; };'),
  },
  {
    rule: 'DT-0025',
    trips: board('dev: device@3 { }; region { iommu-addresses = <&dev 0 0x1000 0 0>; };'),
    at: ['/region', 'iommu-addresses'],
    clean: board('dev: device@3 { }; region { iommu-addresses = <&dev 0 0x1000 0 0x1000>; };'),
  },
  {
    rule: 'DT-0025',
    trips: board('dev: device@3 { }; region { iommu-addresses = <&dev 0 0x1000 0>; };'),
    at: ['/region', 'iommu-addresses'],
    clean: board('dev: device@3 { }; region { iommu-addresses = <&dev 0 1 0 1>, <&dev 0 2 0 1>; };'),
  },
  {
    rule: 'DT-0025',
    trips: board('region { iommu-addresses = <0x99 0 0x1000 0 1>; };'),
    at: ['/region', 'iommu-addresses'],
    clean: board(''),
  },
  {
    rule: 'DT-0101',
    trips: bridge('iommu-map = <0 &smmu 0 0x10>;'),
    at: ON_BRIDGE,
    clean: bridge('iommu-map = <0 &smmu 0 0x101>;'),
    context: machine,
  },
  // The IOMMU's own hole is as it should be.
  {
    rule: 'DT-0101',
    trips: bridge('iommu-map = <0 &smmu 0 0x8>, <0x9 &smmu 0x9 0xfff7>;'),
    at: ON_BRIDGE,
    clean: bridge(
      'iommu-map = <0 &viommu 0 0x8>, <0x9 &viommu 0x9 0xfff7>;',
      'viommu: iommu@1 { reg = <0x800 0 0 0 0>; #iommu-cells = <1>; };',
    ),
    context: machine,
  },
  {
    rule: 'DT-0102',
    trips: bridge('msi-map = <0 &its 0 0x10>;'),
    at: ['/pcie@4', 'msi-map'],
    clean: bridge('msi-map = <0 &its 0 0x10000>;'),
    context: machine,
  },
]
