import { buildDtb, formatDts, parseDtb, parseDts } from '@dmascope/devicetree'
import type { BenchCase } from './runner.ts'
import { expectSample, makeBlob, makeText, makeTree, NODES, TEXT_NODES } from './tree-workload.ts'

/** Nodes per CPU-second that libfdt reads and rebuilds, on a machine of the reference class. */
const LIBFDT = 0.75e6
/** Those that dtc compiles where there are 10,000. */
const DTC = TEXT_NODES / 1.6

/** Reading alone; with every property asked for; rebuilt from nothing kept, and with its form kept; and as text. */
export function treeCases(nodes = NODES, textNodes = TEXT_NODES): BenchCase[] {
  return [
    {
      id: 'tree/read',
      prepare() {
        const blob = makeBlob(nodes)
        return () => {
          if (parseDtb(blob).root.children.length !== nodes / 1000) throw new Error('buses are missing')
          return nodes
        }
      },
    },
    {
      id: 'tree/visit',
      prepare() {
        const blob = makeBlob(nodes)
        return () => {
          let bytes = 0
          for (const bus of parseDtb(blob).root.children) {
            for (const one of bus.children) for (const { length } of one.properties) bytes += length
          }
          // Per device: 31 of compatible, 16 of reg, 12 of interrupts, 8 of iommus, 4 of phandle.
          if (bytes !== (nodes - nodes / 1000) * 71) throw new Error(`${bytes} bytes of values`)
          return nodes
        }
      },
    },
    {
      id: 'tree/rebuild',
      target: LIBFDT * 0.6,
      prepare() {
        const blob = makeBlob(nodes)
        return () => {
          expectSample(buildDtb(parseDtb(blob), { form: 'canonical' }), blob)
          return nodes
        }
      },
    },
    {
      id: 'tree/rebuild/kept',
      prepare() {
        const blob = makeBlob(nodes)
        return () => {
          expectSample(buildDtb(parseDtb(blob)), blob)
          return nodes
        }
      },
    },
    {
      id: 'tree/dts',
      target: DTC * 50,
      prepare() {
        const { text, blob } = makeText(textNodes)
        return () => {
          expectSample(buildDtb(parseDts(text)), blob)
          return textNodes
        }
      },
    },
    {
      id: 'tree/dts/write',
      prepare() {
        const { text } = makeText(textNodes)
        const tree = makeTree(textNodes)
        return () => {
          if (formatDts(tree).length !== text.length) throw new Error('the text has another length')
          return textNodes
        }
      },
    },
  ]
}
