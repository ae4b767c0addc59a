import type { DeviceTree, DtNode } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { setUpBounceBuffers } from '../dma/bounce-buffers.ts'
import { dmaOfAll } from '../dma/dma-platform.ts'
import type { AddressRange } from '../early/memory-map.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { IodaSubsystem } from '../iommu/ioda/ioda-subsystem.ts'
import { assignResources } from '../pci/assign-resources.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { enumerate } from '../pci/enumerate.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { findEndpoints } from '../powernv/endpoints.ts'
import { NativeXive } from '../powernv/native-xive.ts'
import { NodePins } from '../powernv/node-pins.ts'
import { Opal } from '../powernv/opal.ts'
import { OpalConfig } from '../powernv/opal-config.ts'
import { OpalMessages } from '../powernv/opal-messages.ts'
import { moveBar, type OpalPhb, segment32, segment64 } from '../powernv/phbs.ts'
import {
  ASSERT_RESET,
  ENABLE_M64_SPLIT,
  M64_WINDOW,
  OPAL_PCI_PHB_MMIO_ENABLE,
  OPAL_PCI_RESET,
  OPAL_PCI_SET_PHB_MEM_WINDOW,
  RESET_PCI_IODA_TABLE,
} from '../spec/opal.ts'
import type { BringUp, RunningMachine } from './architecture.ts'

/** Segments of the 64-bit window that stay free: those of the root bus and of what is in no endpoint. */
const KEPT_SEGMENTS = 2

/** What early code read of the machine. */
export interface PowernvMachine {
  /** Without ports: host bridges of this platform have none. */
  readonly bus: CpuBus
  readonly tree: DeviceTree
  readonly phbs: readonly OpalPhb[]
  /** All of it, also what is in use. */
  readonly memory: readonly AddressRange[]
}

/** A POWER machine without a hypervisor: OPAL, XIVE, and host bridges whose tables the kernel sets up itself. */
export function bringUpPowernv(context: BringUp, { bus, tree, phbs, memory }: PowernvMachine): RunningMachine | string {
  const { pages, witness, profile, options, patience, log } = context
  const buffer = pages.allocate(1)
  if (buffer === null) return 'no memory for the arguments of OPAL calls'
  const opal = new Opal(bus, buffer)
  const interrupts = new NativeXive(opal, bus)
  log('xive: Interrupt handling initialized with native backend')
  const vectors = new Vectors(bus, interrupts, patience, log)
  const config = new OpalConfig(bus, opal, phbs)
  log('PCI: Probing PCI hardware')
  const functions: PciFunction[] = []
  const endpoints = phbs.flatMap((phb) => {
    openWindow(phb, opal, log)
    const found = setUpPci(config, phb, log)
    functions.push(...found)
    return findEndpoints(phb, found, log)
  })
  const dma = dmaOfAll(setUpBounceBuffers(context, { limited: false, forced: false }))
  const iommu = new IodaSubsystem(
    { bus, pages, witness, dma, profile, options, log, ram: memory },
    { opal, phbs, endpoints },
  )
  context.useIommu(iommu)
  const nodes = nodesOf(phbs, functions)
  return {
    vectors,
    messages: new OpalMessages({
      opal,
      phbs,
      interrupts,
      vectors,
      endpointOf: (fn) => iommu.endpointOf(fn),
      off: options.noMsi,
    }),
    pins: new NodePins(tree, nodes, interrupts, vectors),
    config,
    iommu,
    dma,
    functions,
    nodes,
  }
}

/** One M64 BAR covers the whole of the 64-bit window, a segment an endpoint (`pnv_ioda2_init_m64`). */
function openWindow(phb: OpalPhb, opal: Opal, log: (line: string) => void): void {
  const { segment, memory64, memory64Bar } = phb
  opal.call(OPAL_PCI_RESET, segment, RESET_PCI_IODA_TABLE, ASSERT_RESET)
  log(`${phb.path}: Using M64 #${memory64Bar} as default window`)
  const set = opal.call(OPAL_PCI_SET_PHB_MEM_WINDOW, segment, M64_WINDOW, memory64Bar, memory64.bus, 0, memory64.size)
  const enabled = opal.call(OPAL_PCI_PHB_MMIO_ENABLE, segment, M64_WINDOW, memory64Bar, ENABLE_M64_SPLIT)
  if (set !== 0 || enabled !== 0) log(`${phb.path}: Failure ${set || enabled} configuring M64 BAR#${memory64Bar}`)
}

/** Buses have their numbers; everything gets an address anew. BARs are where the processor finds them. */
function setUpPci(config: ConfigAccess, phb: OpalPhb, log: (line: string) => void): PciFunction[] {
  const { segment, memory32, memory64 } = phb
  const scan = (): PciFunction[] => enumerate(config, [{ segment, bus: 0 }], false, log)
  assignResources(
    config,
    scan(),
    {
      ports: 0,
      memory: { base: memory32.bus, size: memory32.size },
      memory64: { base: memory64.bus, size: memory64.size - KEPT_SEGMENTS * segment64(phb) },
      bridgeWindows: { memory: segment32(phb), prefetchable: segment64(phb) },
    },
    log,
  )
  const moved = new Map<PciFunction | null, PciFunction>()
  return scan().map((fn) => {
    const bars = fn.bars.flatMap((bar) => moveBar(phb, bar) ?? [])
    const one = { ...fn, bars, parent: moved.get(fn.parent) ?? null }
    moved.set(fn, one)
    return one
  })
}

/** The nodes that firmware made of functions, by bus, device and function in their `reg`. */
function nodesOf(phbs: readonly OpalPhb[], functions: readonly PciFunction[]): ReadonlyMap<PciFunction, DtNode> {
  const found = new Map<PciFunction, DtNode>()
  for (const phb of phbs) {
    const byAddress = new Map<number, DtNode>()
    const visit = (node: DtNode): void => {
      for (const child of node.children) {
        byAddress.set((child.cells('reg')[0] ?? 0) & 0xff_ff00, child)
        visit(child)
      }
    }
    visit(phb.node)
    for (const fn of functions) {
      const node = byAddress.get((fn.bus << 16) | (fn.device << 11) | (fn.function << 8))
      if (fn.segment === phb.segment && node !== undefined) found.set(fn, node)
    }
  }
  return found
}
