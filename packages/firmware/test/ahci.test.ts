import { expect, describe as group, test } from 'vitest'
import { type FirmwareResult, runFirmware } from '../src/index.ts'
import { type FakeFunction, FakePc } from './fake-pc.ts'
import { before, describe } from './topology.ts'

const SATA = 0x00fa

/** An AHCI controller of two ports without drives, in BAR 5: PxCMD's bit 4 is FRE, bit 14 FR. Written from AHCI 1.3.1. */
class FakeAhci {
  refuses = false
  readonly commands: [port: number, value: number][] = []
  readonly claimed: number[] = []
  readonly #words = new Uint32Array(0x400 / 4)
  readonly #asked = new Set<number>()

  constructor(pc: FakePc, one: FakeFunction) {
    this.#words[0x0c / 4] = 0b101
    pc.mmio.push({
      get base() {
        return (one.view.getUint32(0x24, true) & 0xffff_fff0) >>> 0
      },
      size: 0x1000,
      read: (offset) => this.#words[offset / 4] ?? 0,
      write: (offset, value) => {
        this.#words[offset / 4] = value
        if (offset < 0x100 || offset % 0x80 !== 0x18) return
        this.commands.push([(offset - 0x118) / 0x80, value])
        this.#asked.add(offset / 4)
      },
    })
    pc.onRun = () => {
      for (const at of this.#asked) {
        if ((this.#words[at]! & 0x10) === 0) continue
        // PxFB stands 16 bytes before PxCMD.
        this.claimed.push(this.#words[at - 4]!)
        if (this.refuses) this.#words[at]! &= ~0x10
        else this.#words[at]! |= 0x4000
      }
      this.#asked.clear()
    }
  }
}

function run(refuses: boolean): { readonly pc: FakePc; readonly ahci: FakeAhci; readonly result: FirmwareResult } {
  const pc = new FakePc(before(describe('q35-default'), [0]), new Map(), { dma: true, ram: 0x2000_0000 })
  const one = pc.find(SATA)
  if (one === undefined) throw new Error('the fake PC has no SATA controller')
  const ahci = new FakeAhci(pc, one)
  ahci.refuses = refuses
  return { pc, ahci, result: runFirmware(pc) }
}

group('AHCI', () => {
  test('each port that is there is given memory below 1 MiB, lets receive, and is stopped again', () => {
    const { ahci, result, pc } = run(false)
    expect(ahci.commands).toEqual([
      [0, 0x10],
      [0, 0],
      [2, 0x10],
      [2, 0],
    ])
    expect(ahci.claimed).toEqual([0x6_0400, 0x6_0400])
    expect(result.hung).toBeNull()
    expect(pc.find(SATA)!.view.getUint16(4, true) & 6).toBe(6)
  })

  test('where a port does not start, firmware comes no further: no disk is opened, no kernel can start', () => {
    const { result, pc } = run(true)
    expect(result.hung).toBe('AHCI 00:1f.2, port 0 does not start: its DMA to 0x60400 is refused')
    expect(result.disks).toEqual([])
    expect(result.log.at(-1)).toBe('AHCI 00:1f.2: port 0 does not start: its DMA to 0x60400 is refused')
    const page = new Uint8Array(0x1000)
    pc.readBytes(0x9_0000, page)
    expect(page.every((byte) => byte === 0)).toBe(true)
  })
})
