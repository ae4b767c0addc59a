import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refuseXen, startXen } from '../src/index.ts'
import {
  EVTCHN_BIND_PIRQ,
  EVTCHN_UNMASK,
  PHYSDEV_EOI,
  PHYSDEV_MAP_PIRQ,
  PHYSDEV_SETUP_GSI,
  START_INFO,
} from '../src/spec/index.ts'
import { MIB, type XenMachine, xenMachine } from './xen-machine.ts'

const PAGE = 4096
let machine: XenMachine
beforeAll(() => {
  machine = xenMachine()
})
afterAll(() => machine.dispose())

function startInfo(): DataView {
  const view = new DataView(new ArrayBuffer(START_INFO.size))
  machine.xen.bus.readBytes(machine.xen.startInfo, new Uint8Array(view.buffer))
  return view
}

/** The machine's frame of one of the domain's pages, from the list that Xen made. */
const frameOf = (page: number): number => machine.xen.bus.read32(32 * MIB + page * 8)

describe('what the first domain finds', () => {
  it('start_info: how many pages, where their list is, that it is the first, and its command line', () => {
    const view = startInfo()
    const magic = String.fromCharCode(...START_INFO.fields.magic.get(view, 0).subarray(0, 14))
    expect(magic).toBe('xen-3.0-x86_64')
    expect(view.getUint32(32, true)).toBe((100 * MIB) / PAGE)
    expect(view.getUint32(48, true)).toBe(3)
    expect([view.getUint32(104, true), view.getUint32(108, true)]).toEqual([0x8000_0000 + 32 * MIB, 0xffff_ffff])
    const line = String.fromCharCode(...START_INFO.fields.cmd_line.get(view, 0).subarray(0, 13))
    expect(line).toBe('console=hvc0\0')
  })

  it('CPUID leaf 4000_0000h names Xen, and others say nothing', () => {
    const out = new Uint32Array(4)
    machine.xen.bus.cpuid!(0x4000_0000, 0, out)
    expect([...out]).toEqual([0x4000_0002, 0x566e_6558, 0x6558_4d4d, 0x4d4d_566e])
    machine.xen.bus.cpuid!(0x8000_0000, 0, out)
    expect([...out]).toEqual([0, 0, 0, 0])
  })

  it('its memory, which lies in the machine where the list says', () => {
    const { xen, bus } = machine
    const page = 20_000
    xen.bus.write32(page * PAGE + 8, 0x1234_5678)
    expect(frameOf(page)).not.toBe(page)
    expect(bus.read32(frameOf(page) * PAGE + 8)).toBe(0x1234_5678)
  })

  it('memory across pages that are not in a row: words and bytes', () => {
    const { xen, bus } = machine
    let page = 10_000
    while (frameOf(page + 1) === frameOf(page) + 1) page++
    xen.bus.write32((page + 1) * PAGE - 2, 0xaabb_ccdd)
    expect(xen.bus.read32((page + 1) * PAGE - 2)).toBe(0xaabb_ccdd)
    expect(bus.read16(frameOf(page) * PAGE + PAGE - 2)).toBe(0xccdd)
    expect(bus.read16(frameOf(page + 1) * PAGE)).toBe(0xaabb)
    xen.bus.write16((page + 1) * PAGE - 1, 0x1122)
    expect(xen.bus.read16((page + 1) * PAGE - 1)).toBe(0x1122)
    const bytes = Uint8Array.from({ length: 100 }, (_, index) => index)
    xen.bus.writeBytes((page + 1) * PAGE - 50, bytes)
    const back = new Uint8Array(100)
    xen.bus.readBytes((page + 1) * PAGE - 50, back)
    expect(back).toEqual(bytes)
  })

  it('nothing where RAM is others’: reads give all ones, writes are lost', () => {
    const { xen, bus } = machine
    // Above the domain's pages, in RAM of the machine's.
    const address = 150 * MIB
    bus.write32(address, 0x5555_5555)
    expect(xen.bus.read32(address)).toBe(0xffff_ffff)
    xen.bus.write32(address, 1)
    expect(bus.read32(address)).toBe(0x5555_5555)
  })

  it('no interrupt controllers, but tables, and the page that it shares with Xen', () => {
    const { xen, bus } = machine
    expect(xen.bus.read32(0xfec0_0000)).toBe(0xffff_ffff)
    expect(xen.bus.read32(0xfee0_0030)).toBe(0xffff_ffff)
    bus.write32(255 * MIB + 16, 0x4344_5344)
    expect(xen.bus.read32(255 * MIB + 16)).toBe(0x4344_5344)
    const shared = startInfo().getUint32(40, true)
    expect(xen.bus.read8(shared + 1), 'upcalls are masked at first').toBe(1)
  })

  it('whose memory is whose is told to those who watch', () => {
    const { foreign } = machine.xen
    expect(foreign.ownerOf(frameOf(20_000) * PAGE)).toBe('the guest')
    expect(foreign.ownerOf(0x1000)).toBe('the hypervisor')
    expect(foreign.ownerOf(255 * MIB)).toBe(null)
    const all = new Set(Array.from({ length: 255 * 256 }, (_, frame) => foreign.ownerOf(frame * PAGE)))
    expect(all).toEqual(new Set(['the guest', 'the hypervisor', 'another domain', 'nobody', null]))
  })

  it('memory of others is no row of zeros once a device comes to it', () => {
    const { foreign } = machine.xen
    let ring = 4096
    while (foreign.ownerOf(ring * PAGE) !== 'another domain' || ring % 4 !== 1) ring++
    expect(machine.bus.read32(ring * PAGE)).toBe(0)
    foreign.touch(ring * PAGE + 2, 2)
    expect(machine.bus.read16(ring * PAGE + 2), 'an available ring that was used').toBe(24)
  })
})

describe('interrupts of the machine, in Linux’s order', () => {
  const PHYSDEV_OP = 33
  const EVENT_OP = 32
  const GSI = 10
  const shared = (): number => startInfo().getUint32(40, true)
  const word = (size: number, ...fields: readonly (readonly [offset: number, value: number])[]): DataView => {
    const view = new DataView(new ArrayBuffer(size))
    for (const [offset, value] of fields) view.setUint32(offset, value, true)
    return view
  }

  it('1 masks all ports, 2 opens upcalls, 3 maps, 4 sets up, 5 binds, 6 unmasks, 7 takes, 8 ends', () => {
    const { xen, vectors, call, redirection, ends } = machine
    // 1, 2
    for (let at = 0; at < 512; at += 4) xen.bus.write32(shared() + 2560 + at, 0xffff_ffff)
    xen.bus.write8(shared() + 1, 0)
    // 3
    const map = word(PHYSDEV_MAP_PIRQ.size, [4, 1], [8, GSI], [12, GSI])
    map.setUint16(0, 0x7ff0, true)
    expect(call(PHYSDEV_OP, 13, map)).toBe(0)
    expect(map.getUint32(12, true)).toBe(GSI)
    // 4
    const setUp = word(PHYSDEV_SETUP_GSI.size, [0, GSI])
    setUp.setUint8(4, 1)
    expect(call(PHYSDEV_OP, 21, setUp)).toBe(0)
    expect(redirection(GSI) & 0x1_0000, 'masked until somebody is told').toBe(0x1_0000)
    // 5
    const bind = word(EVTCHN_BIND_PIRQ.size, [0, GSI])
    expect(call(EVENT_OP, 2, bind)).toBe(0)
    const port = bind.getUint32(8, true)
    const vector = redirection(GSI) & 0xff
    expect(vector).toBeGreaterThanOrEqual(0x31)
    expect(redirection(GSI) & 0x1_8000, 'open, by level').toBe(0x8000)
    // It comes while its port is masked.
    vectors.push(vector)
    expect(xen.bus.nextInterrupt()).toBe(-1)
    expect(redirection(GSI) & 0x1_0000, 'masked until the domain is done').toBe(0x1_0000)
    expect(ends()).toBe(1)
    // 6
    expect(call(EVENT_OP, 9, word(EVTCHN_UNMASK.size, [0, port]))).toBe(0)
    expect(xen.bus.idle()).toBe(false)
    expect(xen.bus.nextInterrupt()).toBe(0)
    // 7
    expect(xen.bus.read32(shared() + 2048 + (port >>> 5) * 4)).toBe(1 << (port & 31))
    expect(xen.bus.read32(shared() + 8)).toBe(1)
    xen.bus.write8(shared(), 0)
    xen.bus.write32(shared() + 8, 0)
    xen.bus.write32(shared() + 2048 + (port >>> 5) * 4, 0)
    expect(xen.bus.idle()).toBe(true)
    // 8
    expect(call(PHYSDEV_OP, 12, word(PHYSDEV_EOI.size, [0, GSI]))).toBe(0)
    expect(redirection(GSI) & 0x1_0000).toBe(0)
  })

  it('answers errors for what there is not', () => {
    const { call, xen } = machine
    expect(call(PHYSDEV_OP, 13, word(PHYSDEV_MAP_PIRQ.size, [4, 1], [8, 99], [12, 99])), 'no such input').toBe(-22)
    expect(call(PHYSDEV_OP, 13, word(PHYSDEV_MAP_PIRQ.size, [4, 3], [12, 0xffff_ffff])), 'no such function').toBe(-19)
    expect(call(EVENT_OP, 2, word(EVTCHN_BIND_PIRQ.size, [0, GSI])), 'bound already').toBe(-17)
    expect(call(EVENT_OP, 9, word(EVTCHN_UNMASK.size, [0, 4000])), 'no such port').toBe(-22)
    expect(call(PHYSDEV_OP, 99, word(8))).toBe(-38)
    expect(xen.bus.hypercall!(1, new Uint32Array(4), new Uint32Array(2)), 'no such hypercall').toBe(-38)
    expect(xen.bus.hypercall!(12, Uint32Array.of(10, 0, 0x1000, 0), new Uint32Array(2)), 'no such address').toBe(-14)
  })
})

describe('a Xen that cannot be', () => {
  it('is refused with what there is', () => {
    expect(refuseXen(128 * MIB, { memory: 96 * MIB })).toBe('Xen wants 256 MiB of memory or more')
    expect(refuseXen(512 * MIB, { memory: 500 * MIB })).toContain('the first domain has from 96 to')
    expect(refuseXen(512 * MIB, { memory: 192 * MIB, piece: 3000 })).toContain('a power of two')
    expect(refuseXen(512 * MIB, { memory: 192 * MIB })).toBe(null)
  })

  it('stops where firmware has left nothing', () => {
    const { bus } = machine
    const nothing = { ...bus, readBytes: (_: number, into: Uint8Array): void => void into.fill(0) }
    expect(startXen(nothing, { memory: 100 * MIB })).toBe('no boot parameters at 0x90000')
  })
})
