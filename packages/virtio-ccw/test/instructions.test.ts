import { IO_INSTRUCTION, PROGRAM_INTERRUPTION, subsystemId } from '@dmascope/virtio-ccw/spec'
import { expect, test } from 'vitest'
import { Bench } from './bench.ts'

const { SSCH, TSCH, STSCH, MSCH, CSCH, HSCH } = IO_INSTRUCTION
const DONE = '0c00'
const PROGRAM_CHECK = '0020'

test('a subchannel that is not enabled is not operational, but can be stored and modified', () => {
  const bench = new Bench()
  bench.put(0x200, '00000000 0080ff00 00000400')
  expect([bench.io(SSCH, 0x200), bench.io(TSCH, 0x300), bench.io(CSCH, 0), bench.io(HSCH, 0)]).toEqual([3, 3, 3, 3])
  expect([bench.io(STSCH, 0x100), bench.io(MSCH, 0x100)]).toEqual([0, 0])
})

test('SSCH: 2 while a function is in progress, 1 while status is pending, 0 once TSCH has taken it', () => {
  const bench = new Bench()
  bench.enable()
  bench.put(0x400, '03 00 0000 00000000')
  bench.put(0x200, 'deadbeef 0080ff00 00000400')
  expect(bench.io(SSCH, 0x200)).toBe(0)
  expect(bench.started).toEqual([bench.subchannel])
  expect([bench.io(SSCH, 0x200), bench.io(MSCH, 0x100)]).toEqual([2, 2])
  expect(bench.css.pending).toBe(false)
  bench.subchannel.work(64)
  expect([bench.io(SSCH, 0x200), bench.io(MSCH, 0x100)]).toEqual([1, 1])
  expect(bench.css.take()).toEqual({ subsystemId: 0x0001_0000, intparm: 0xdead_beef, word: 0x1800_0000 })
  expect(bench.io(TSCH, 0x300)).toBe(0)
  // Start function, primary and secondary status, status pending; the address behind the CCW; ends.
  expect(bench.hex(0x302, 10)).toBe('4007' + '00000408' + '0c00' + '0000')
  expect(bench.io(SSCH, 0x200)).toBe(0)
})

test('TSCH before the interruption was taken withdraws it', () => {
  const bench = new Bench()
  bench.enable()
  bench.put(0x400, '03 00 0000 00000000')
  bench.put(0x200, '00000001 0080ff00 00000400')
  bench.io(SSCH, 0x200)
  bench.subchannel.work(64)
  expect(bench.css.pending).toBe(true)
  bench.io(TSCH, 0x300)
  expect(bench.css.pending).toBe(false)
})

test('an interruption waits until its subclass is enabled', () => {
  const bench = new Bench()
  bench.enable()
  bench.css.enabledSubclasses = 0xe000_0000
  bench.put(0x400, '03 00 0000 00000000')
  bench.put(0x200, '00000000 0080ff00 00000400')
  bench.io(SSCH, 0x200)
  bench.subchannel.work(64)
  expect(bench.css.take()).toBeNull()
  bench.css.enabledSubclasses = 0xff00_0000
  expect(bench.css.take()?.word).toBe(0x1800_0000)
})

test('operands: alignment, storage, identification, ORBs of other formats', () => {
  const bench = new Bench()
  bench.enable()
  bench.put(0x200, '00000000 0080ff00 00000400')
  expect(bench.io(SSCH, 0x202)).toBe(PROGRAM_INTERRUPTION.specification)
  expect(bench.io(TSCH, 0x10_0000 - 60)).toBe(PROGRAM_INTERRUPTION.addressing)
  expect(bench.io(STSCH, 0x100, 0x0000_0000)).toBe(PROGRAM_INTERRUPTION.operand)
  expect(bench.io(STSCH, 0x100, 0x0009_0000)).toBe(PROGRAM_INTERRUPTION.operand)
  expect(bench.io(0xb238, 0x100)).toBe(PROGRAM_INTERRUPTION.operation)
  for (const orb of ['00000000 0000ff00 00000400', '00000000 0084ff00 00000400', '00000000 0080ff00 80000400']) {
    bench.put(0x200, orb)
    expect(bench.io(SSCH, 0x200)).toBe(PROGRAM_INTERRUPTION.operand)
  }
  expect(bench.io(MSCH, 0x100, subsystemId(0, 7))).toBe(3)
  bench.io(STSCH, 0x100)
  for (const flags of [0x8000, 0x4000, 0x0100]) {
    bench.view.setUint16(0x104, flags)
    expect(bench.io(MSCH, 0x100)).toBe(PROGRAM_INTERRUPTION.operand)
  }
})

test('CSCH ends what was started, and no end of it is told', () => {
  const bench = new Bench()
  bench.enable()
  bench.put(0x400, '03 00 0000 00000000')
  bench.put(0x200, '00000000 0080ff00 00000400')
  bench.io(SSCH, 0x200)
  expect(bench.io(CSCH, 0)).toBe(0)
  bench.subchannel.work(64)
  bench.io(TSCH, 0x300)
  expect(bench.hex(0x302, 8)).toBe('1001' + '00000000' + '0000')
})

test('programs: chained commands, a transfer, and what is wrong with others', () => {
  const bench = new Bench()
  bench.enable()
  // NOOP, chained; a transfer to 0x500; SENSE ID of 4 bytes there.
  bench.put(0x400, '03 40 0000 00000000  08 00 0000 00000500')
  bench.put(0x500, 'e4 20 0004 00001000')
  expect(bench.run(0x400)).toBe(DONE)
  expect(bench.hex(0x1000, 4)).toBe('ff383202')
  for (const [why, program] of [
    ['a transfer to a transfer', '03 40 0000 00000000  08 00 0000 00000408'],
    ['a transfer that has a count', '03 40 0000 00000000  08 00 0001 00000500'],
    ['no such code', '00 00 0000 00001000'],
    ['an address of 32 bits', 'e4 20 0004 80001000'],
    ['modified indirect addresses', 'e4 21 0004 00001000'],
    ['data that leads nowhere', 'e4 20 0004 7ffffff0'],
  ] as const) {
    bench.put(0x400, program)
    expect(`${why}: ${bench.run(0x400)}`).toBe(`${why}: ${PROGRAM_CHECK}`)
  }
  expect(bench.run(0x404)).toBe(PROGRAM_CHECK)
})

test('a program without an end ends', () => {
  const bench = new Bench()
  bench.enable()
  bench.put(0x400, '03 40 0000 00000000  08 00 0000 00000400')
  bench.put(0x200, '00000000 0080ff00 00000400')
  bench.io(SSCH, 0x200)
  let turns = 1
  while (bench.subchannel.work(64) === 'more') turns++
  expect(turns).toBe(65)
  bench.io(TSCH, 0x300)
  expect(bench.hex(0x308, 2)).toBe(PROGRAM_CHECK)
})

test('data by indirect addresses: 31 bits for 2 KiB each, or 64 bits for 4 KiB each; the first may begin anywhere', () => {
  const bench = new Bench()
  bench.enable()
  bench.command(0x83, '0002 0000')
  // READ_CONF of 8 bytes: 4 at the end of one block, 4 at the start of another.
  bench.put(0x400, '22 24 0008 00000600')
  bench.put(0x600, '000027fc 00004800')
  expect(bench.run(0x400)).toBe(DONE)
  expect([bench.hex(0x27fc, 4), bench.hex(0x4800, 4)]).toEqual(['08000000', '00000000'])
  bench.put(0x600, '0000000000002ffe 0000000000005000')
  bench.put(0x200, '00000000 0082ff00 00000400')
  bench.io(SSCH, 0x200)
  bench.subchannel.work(64)
  bench.io(TSCH, 0x300)
  expect([bench.hex(0x2ffe, 2), bench.hex(0x5000, 6)]).toEqual(['0800', '000000000000'])
  // The second is not the start of a block.
  bench.put(0x600, '000027fc 00004804')
  expect(bench.run(0x400)).toBe(PROGRAM_CHECK)
})

test('what a device has no command for is a unit check, whose sense comes with it, or by BASIC SENSE', () => {
  const bench = new Bench()
  bench.enable()
  expect(bench.command(0x83, '0002 0000')).toBe(DONE)
  expect(bench.command(0x99, '00')).toBe('0200')
  // Logout pending and sense there: flags, extended control word.
  expect([bench.hex(0x300, 2), bench.hex(0x320, 2)]).toEqual(['0482', '8000'])
  bench.io(STSCH, 0x100)
  bench.view.setUint32(0x118, 0)
  bench.io(MSCH, 0x100)
  expect(bench.command(0x99, '00')).toBe('0200')
  expect(bench.hex(0x320, 1)).toBe('00')
  expect(bench.command(0x04, '0000', 0x20)).toBe(DONE)
  expect(bench.hex(0x1000, 2)).toBe('8000')
})

test('a driver that chooses no revision gets the legacy one; disabling makes the next driver choose again', () => {
  const bench = new Bench({ maxRevision: 1 })
  bench.enable()
  expect(bench.command(0x12, '00000000 01')).toBe(DONE)
  expect(bench.hex(0x1000, 4)).toBe('00000000')
  expect(bench.command(0x83, '0002 0000')).toBe('0200')
  expect(bench.command(0x83, '0001 0000')).toBe(DONE)
  bench.io(STSCH, 0x100)
  bench.view.setUint16(0x104, 0x1801)
  bench.io(MSCH, 0x100)
  expect(bench.device.revision).toBeNull()
})

test('lengths: exact unless suppressed, and never too short; no data address where there is data is a data check', () => {
  const bench = new Bench()
  bench.enable()
  bench.command(0x83, '0002 0000')
  expect(bench.command(0x12, '00000000 00 00')).toBe(PROGRAM_CHECK)
  expect(bench.command(0x12, '00000000 00 00', 0x20)).toBe(DONE)
  // One byte of the six is left.
  expect(bench.hex(0x30a, 2)).toBe('0001')
  expect(bench.command(0x12, '00000000')).toBe(PROGRAM_CHECK)
  bench.put(0x400, '12 00 0005 00000000')
  expect(bench.run(0x400)).toBe('0008')
  expect(bench.command(0x22, '00'.repeat(61))).toBe(PROGRAM_CHECK)
})
