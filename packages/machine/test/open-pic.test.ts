import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OpenPic, type OpenPicOptions, swap32 } from '../src/openpic/open-pic.ts'
import { MPIC_MESSAGES, OPEN_PIC, OPEN_PIC_PROCESSOR, OPEN_PIC_SOURCE } from '../src/openpic/spec/open-pic.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const MASKED = 0x8000_0000
const LEVEL = 0x0040_0000
const PRIORITY_8 = 0x0008_0000
const [IVPR, CTPR, IACK, EOI] = [0x1_0000, 0x2_0080, 0x2_00a0, 0x2_00b0]

function start(options: Partial<OpenPicOptions> = {}) {
  const pic = new OpenPic({
    sources: 64,
    announced: 64,
    firstInternal: 12,
    bigEndian: true,
    firstMessage: 32,
    vectorBits: 16,
    ...options,
  })
  return {
    pic,
    read: (offset: number): number => swap32(pic.read(offset, 4)),
    write: (offset: number, value: number): void => pic.write(offset, 4, swap32(value)),
  }
}

describe('OpenPIC', () => {
  it('has its registers where the specification has them', () => {
    const { FRR, GCR, SVR } = OPEN_PIC.registers
    expect([FRR.offset, GCR.offset, SVR.offset]).toEqual([0x1000, 0x1020, 0x10e0])
    expect(OPEN_PIC_SOURCE.registers.IDR.offset).toBe(0x1_0010)
    expect(OPEN_PIC_PROCESSOR.registers.IACK.offset).toBe(0x2_00a0)
    expect(MPIC_MESSAGES.registers.MSIIR.offset).toBe(0x1740)
  })

  it('comes out of reset with all masked, and the processor above every priority', () => {
    const { pic, read } = start()
    expect([read(IVPR), read(IVPR + 0x10), read(CTPR), read(0x10e0)]).toEqual([MASKED, 1, 15, 0xffff])
    expect(read(0x1000)).toBe(0x003f_0002)
    pic.set(3, true)
    expect([pic.pending, pic.take(), read(IACK)]).toEqual([false, -1, 0xffff])
  })

  it('is set up as Linux does it: reset, sources masked, spurious vector, mixed mode, priority; then one source', () => {
    const { pic, read, write } = start()
    // 1. Reset, which reads as done.
    write(0x1020, 0x8000_0000)
    expect(read(0x1020)).toBe(0)
    // 2. Each source: masked, priority 8, its own number; to this processor.
    write(IVPR + 5 * 0x20, (MASKED | PRIORITY_8 | 5) >>> 0)
    write(IVPR + 5 * 0x20 + 0x10, 1)
    // 3. The spurious vector; mixed mode; nothing is above the processor.
    write(0x10e0, 0xff)
    write(0x1020, 0x2000_0000)
    write(CTPR, 0)
    expect([read(0x10e0), read(0x1020), read(CTPR)]).toEqual([0xff, 0x2000_0000, 0])
    // 4. The source is let through, as one that is level-triggered.
    write(IVPR + 5 * 0x20, PRIORITY_8 | LEVEL | 5)
    expect([pic.pending, pic.take()]).toEqual([false, -1])
    // 5. It comes.
    pic.set(5, true)
    expect([pic.pending, pic.take(), read(IACK), read(IACK)]).toEqual([true, 0, 5, 0xff])
    // 6. Quiet before the end of interrupt.
    pic.set(5, false)
    write(EOI, 0)
    expect(pic.pending).toBe(false)
  })

  it('gives an edge once, and a level again until it is quiet', () => {
    const { pic, read, write } = start()
    write(CTPR, 0)
    write(IVPR + 2 * 0x20, PRIORITY_8 | 2)
    pic.set(2, true)
    expect(read(IACK)).toBe(2)
    write(EOI, 0)
    expect(pic.pending).toBe(false)
    // Sources from 12 on are level-triggered whatever is written.
    write(IVPR + 20 * 0x20, PRIORITY_8 | LEVEL | 20)
    expect(read(IVPR + 20 * 0x20) & LEVEL).toBe(0)
    pic.set(20, true)
    expect(read(IACK)).toBe(20)
    write(EOI, 0)
    expect([pic.pending, read(IACK)]).toEqual([true, 20])
  })

  it('interrupts what is in service by what has a higher priority alone', () => {
    const { pic, read, write } = start()
    write(CTPR, 3)
    for (const [source, priority] of [
      [20, 3],
      [21, 5],
      [22, 9],
    ] as const)
      write(IVPR + source * 0x20, (priority << 16) | source)
    for (const source of [20, 21]) pic.set(source, true)
    expect(read(IACK)).toBe(21)
    expect(pic.pending).toBe(false)
    pic.set(22, true)
    expect(read(IACK)).toBe(22)
    pic.set(22, false)
    write(EOI, 0)
    pic.set(21, false)
    write(EOI, 0)
    // Its priority is not above the processor's.
    expect(pic.pending).toBe(false)
    write(CTPR, 2)
    expect(read(IACK)).toBe(20)
  })

  it('keeps messages in a register of 32, which a read clears', () => {
    const { pic, read, write } = start()
    write(CTPR, 0)
    write(IVPR + 33 * 0x20, PRIORITY_8 | 33)
    pic.message(0x21)
    pic.message(0x3f)
    // What a processor writes to the register itself has the number in its top byte.
    write(0x1740, 0x2500_0000)
    expect([read(0x1720), read(IACK)]).toEqual([2, 33])
    expect([read(0x1610), read(0x1610), read(0x1720)]).toEqual([0x8000_0022, 0, 0])
    write(EOI, 0)
    expect(pic.pending).toBe(false)
  })

  it('is little-endian, with vectors of eight bits, where it is a Mac’s', () => {
    const { pic } = start({ bigEndian: false, firstMessage: null, firstInternal: 64, vectorBits: 8 })
    pic.write(CTPR, 4, 0)
    pic.write(IVPR + 7 * 0x20, 4, PRIORITY_8 | 0x1207)
    pic.set(7, true)
    expect([pic.read(IACK, 4), pic.read(IACK, 4), pic.read(0x1720, 4)]).toEqual([7, 0xff, 0])
  })

  it('takes whatever software writes', () => {
    const word = fc.nat(0xffff_ffff)
    const step = fc.record({ offset: fc.nat(0x3_ffff), value: word, source: fc.nat(80), level: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { pic } = start()
        for (const { offset, value, source, level } of steps) {
          pic.write(offset & ~3, 4, value)
          pic.set(source, level)
          expect(pic.read(offset & ~3, 4)).toBeLessThanOrEqual(0xffff_ffff)
          expect(pic.pending).toBe(pic.take() === 0)
        }
      }),
      RUNS,
    )
  })
})
