import { deviceModel } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import { bearing, off, on, size, uint32, uint64 } from '../property-specs.ts'

const WINDOW_64 = 2 ** 40
const WINDOW_32 = 0x8000_0000

/** What only QEMU for POWER has. */
export const pseriesModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'spapr-pci-host-bridge',
    kind: 'pci-host',
    plug: 'platform',
    properties: {
      index: bearing(uint32(null)),
      mem_win_size: bearing(size(WINDOW_32)),
      mem64_win_size: bearing(size(WINDOW_64)),
      io_win_size: bearing(size(0x1_0000)),
      dma_win_addr: bearing(uint64(0)),
      dma_win_size: bearing(uint64(0x4000_0000)),
      // 2^59, which no Number of a property can say, where left out.
      dma64_win_addr: bearing(uint64(null)),
      ddw: bearing(on),
      pgsz: bearing(uint64(2 ** 12 + 2 ** 16 + 2 ** 21 + 2 ** 24)),
      numa_node: uint32(0xffff_ffff),
      'pcie-extended-configuration-space': bearing(on),
      'pre-5.1-associativity': off,
    },
  }),
]
