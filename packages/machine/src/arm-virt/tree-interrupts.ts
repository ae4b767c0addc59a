import type { DtNode } from '@dmascope/devicetree'
import { VIRT } from './memory-map.ts'
import { at, built, LEVEL_HIGH, PPI, reg64 } from './tree-node.ts'
import type { VirtFacts } from './virt-facts.ts'

/** Maintenance interrupt of the virtual CPU interface. */
const MAINTENANCE = 9

/** `/intc@8000000`, and the MSI controller below it. */
export function interruptControllerNode(
  { gic, msi, virtualization }: VirtFacts,
  phandle: number,
  msiPhandle: number | null,
): DtNode {
  const children = msiPhandle === null ? [] : [msi === 'its' ? itsNode(msiPhandle) : v2mNode(msiPhandle)]
  return built(
    at('intc', VIRT.gicDistributor),
    [
      ['#interrupt-cells', 3],
      ['interrupt-controller', true],
      ['#address-cells', 2],
      ['#size-cells', 2],
      ['ranges', true],
      ...(gic === 3
        ? ([
            ['compatible', 'arm,gic-v3'],
            ['#redistributor-regions', 1],
            ['reg', reg64(VIRT.gicDistributor, VIRT.gicRedistributors)],
          ] as const)
        : ([
            ['compatible', 'arm,cortex-a15-gic'],
            [
              'reg',
              virtualization
                ? reg64(VIRT.gicDistributor, VIRT.gicCpu, VIRT.gicHypervisor, VIRT.gicVirtualCpu)
                : reg64(VIRT.gicDistributor, VIRT.gicCpu),
            ],
          ] as const)),
      ...(virtualization ? [['interrupts', [PPI, MAINTENANCE, LEVEL_HIGH]] as const] : []),
      ['phandle', phandle],
    ],
    children,
  )
}

const itsNode = (phandle: number): DtNode =>
  built(at('its', VIRT.gicIts), [
    ['compatible', 'arm,gic-v3-its'],
    ['msi-controller', true],
    ['#msi-cells', 1],
    ['reg', reg64(VIRT.gicIts)],
    ['phandle', phandle],
  ])

const v2mNode = (phandle: number): DtNode =>
  built(at('v2m', VIRT.gicV2m), [
    ['compatible', 'arm,gic-v2m-frame'],
    ['msi-controller', true],
    ['reg', reg64(VIRT.gicV2m)],
    ['phandle', phandle],
  ])
