import { buildDtb, DeviceTree, type DtNode, formatDts, node } from '@dmascope/devicetree'

/** The tree workload: buses of 1000 devices, 156 bytes of blob a node; 100,000 nodes are 15.6 MB. */
export const NODES = 100_000
/** `dtc` is quadratic, and its figure is of so many. */
export const TEXT_NODES = 10_000
const DEVICES_A_BUS = 999

function device(bus: number, index: number): DtNode {
  const phandle = bus * (DEVICES_A_BUS + 1) + index + 1
  return node(`device@${(index * 0x1000).toString(16)}`, {
    compatible: ['vendor,device-v2', 'vendor,device'],
    reg: [bus, index * 0x1000, 0, 0x1000],
    interrupts: [0, index, 4],
    iommus: [1, phandle],
    phandle,
  })
}

/** A tree of `count` nodes, a multiple of 1000, and its root. */
export function makeTree(count: number): DeviceTree {
  const root = node('', { '#address-cells': 2, '#size-cells': 2, compatible: 'vendor,board' })
  for (let bus = 0; bus < count / (DEVICES_A_BUS + 1); bus++) {
    const devices = Array.from({ length: DEVICES_A_BUS }, (_, index) => device(bus, index))
    root.append(node(`bus@${bus.toString(16)}`, { '#address-cells': 2, '#size-cells': 2, ranges: true }, devices))
  }
  return new DeviceTree(root)
}

export const makeBlob = (count: number): Uint8Array => buildDtb(makeTree(count))

/** A text, and the blob that it must become. */
export function makeText(count: number): { readonly text: string; readonly blob: Uint8Array } {
  const tree = makeTree(count)
  return { text: formatDts(tree), blob: buildDtb(tree) }
}

const SAMPLE_STEP = 4099

/** Whether two blobs are the same: their length, and bytes here and there, so that checking is no part of the work. */
export function expectSample(actual: Uint8Array, expected: Uint8Array): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} bytes, expected ${expected.length}`)
  for (let at = 0; at < actual.length; at += SAMPLE_STEP) {
    if (actual[at] !== expected[at]) throw new Error(`byte ${at} is ${actual[at]}, expected ${expected[at]}`)
  }
}
