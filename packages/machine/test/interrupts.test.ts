import { describe, expect, it } from 'vitest'
import { ICH9_ROUTING, PIIX3_ROUTING } from '../src/chipset/interrupt-routing.ts'
import { IOAPIC, IoApic } from '../src/interrupts/ioapic.ts'
import { LAPIC, LocalApic } from '../src/interrupts/lapic.ts'

const { SVR, EOI, TPR } = LAPIC.registers

function enabledApic(ends: number[] = []): LocalApic {
  const apic = new LocalApic((vector) => ends.push(vector))
  apic.write(SVR.offset, 4, 0x1ff)
  return apic
}

describe('local APIC', () => {
  it('delivers nothing until software enables it', () => {
    const apic = new LocalApic(() => {})
    apic.accept(0x41, false)
    expect(apic.take()).toBe(-1)
    apic.write(SVR.offset, 4, 0x1ff)
    expect(apic.take()).toBe(0x41)
  })

  it('takes the highest priority first, and holds back lower ones until EOI', () => {
    const apic = enabledApic()
    apic.accept(0x31, false)
    apic.accept(0x51, false)
    expect(apic.take()).toBe(0x51)
    expect(apic.pending).toBe(false)
    apic.write(EOI.offset, 4, 0)
    expect(apic.take()).toBe(0x31)
  })

  it('masks classes at and below the task priority', () => {
    const apic = enabledApic()
    apic.write(TPR.offset, 4, 0x40)
    apic.accept(0x4f, false)
    expect(apic.take()).toBe(-1)
    apic.accept(0x50, false)
    expect(apic.take()).toBe(0x50)
  })

  it('broadcasts EOI of level-triggered vectors only', () => {
    const ends: number[] = []
    const apic = enabledApic(ends)
    apic.accept(0x41, true)
    apic.take()
    apic.write(EOI.offset, 4, 0)
    apic.accept(0x42, false)
    apic.take()
    apic.write(EOI.offset, 4, 0)
    expect(ends).toEqual([0x41])
  })

  it('shows what is pending in IRR', () => {
    const apic = new LocalApic(() => {})
    apic.accept(0x45, false)
    expect(apic.read(0x200 + 0x10 * 2, 4)).toBe(1 << 5)
  })
})

describe('IOAPIC', () => {
  const program = (ioapic: IoApic, pin: number, lo: number, hi = 0): void => {
    ioapic.write(IOAPIC.registers.IOREGSEL.offset, 4, 0x10 + 2 * pin + 1)
    ioapic.write(IOAPIC.registers.IOWIN.offset, 4, hi)
    ioapic.write(IOAPIC.registers.IOREGSEL.offset, 4, 0x10 + 2 * pin)
    ioapic.write(IOAPIC.registers.IOWIN.offset, 4, lo)
  }

  it('sends a message whose address is the entry’s upper half', () => {
    const sent: [number, number, boolean][] = []
    const ioapic = new IoApic(0, (lo, data, level) => sent.push([lo, data, level]))
    program(ioapic, 20, 0x0000_8041, 0x0300_0000)
    ioapic.setPin(20, true)
    expect(sent).toEqual([[0xfee0_3000, 0x8041, true]])
  })

  it('keeps an entry in remappable format whole: handle, format bit, handle bit 15', () => {
    const sent: number[] = []
    const ioapic = new IoApic(0, (lo) => sent.push(lo))
    // Handle 0x8005: bits 63:49 hold 5, bit 48 is the format, bit 11 the handle's bit 15.
    program(ioapic, 4, 0x0000_0830, (5 << 17) | (1 << 16))
    ioapic.setPin(4, true)
    expect(sent[0]).toBe(0xfee0_0000 + (5 << 5) + (1 << 4) + (1 << 2))
  })

  it('fires a level-triggered pin again after EOI while it is asserted', () => {
    let sent = 0
    const ioapic = new IoApic(0, () => sent++)
    program(ioapic, 16, 0x8050)
    ioapic.setPin(16, true)
    ioapic.setPin(16, true)
    expect(sent).toBe(1)
    ioapic.endOfInterrupt(0x50)
    expect(sent).toBe(2)
    ioapic.setPin(16, false)
    ioapic.endOfInterrupt(0x50)
    expect(sent).toBe(2)
  })

  it('is silent while masked, and has 24 pins', () => {
    let sent = 0
    const ioapic = new IoApic(0, () => sent++)
    program(ioapic, 3, 0x0001_0030)
    ioapic.setPin(3, true)
    expect(sent).toBe(0)
    ioapic.write(IOAPIC.registers.IOREGSEL.offset, 4, 1)
    expect((ioapic.read(IOAPIC.registers.IOWIN.offset, 4) >>> 16) + 1).toBe(24)
  })
})

describe('interrupt routing', () => {
  it('rotates ICH9 slots through PIRQE to PIRQH, and gives the chipset’s own devices PIRQA to PIRQD', () => {
    expect([0, 1, 2, 3].map((pin) => ICH9_ROUTING.gsi(0, pin))).toEqual([20, 21, 22, 23])
    expect([0, 1, 2, 3].map((pin) => ICH9_ROUTING.gsi(3, pin))).toEqual([23, 20, 21, 22])
    expect([0, 1, 2, 3].map((pin) => ICH9_ROUTING.gsi(0x1f, pin))).toEqual([16, 17, 18, 19])
    expect([0, 1, 2, 3].map((pin) => ICH9_ROUTING.gsi(0x1e, pin))).toEqual([20, 21, 22, 23])
  })

  it('routes PIIX3 pins to interrupts 10 and 11', () => {
    expect([0, 1, 2, 3].map((pin) => PIIX3_ROUTING.gsi(3, pin))).toEqual([11, 11, 10, 10])
  })
})
