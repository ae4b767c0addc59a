import { describe, expect, it } from 'vitest'
import { IoApic } from '../src/interrupts/io-apic.ts'
import { LegacyInterrupts, type PinRoutes } from '../src/interrupts/legacy-interrupts.ts'
import { LocalApic } from '../src/interrupts/local-apic.ts'
import { Vectors } from '../src/interrupts/vectors.ts'
import type { IommuSubsystem } from '../src/iommu/contract.ts'
import type { PciFunction } from '../src/pci/pci-function.ts'
import { IO_APIC, LOCAL_APIC } from '../src/spec/apic.ts'
import { SparseBus } from './support/sparse-bus.ts'

const APIC = 0xfee0_0000
const IOAPIC = 0xfec0_0000
const silent = (): void => {}

const vectorsOn = (bus: SparseBus, patience = 50, log: (line: string) => void = silent): Vectors =>
  new Vectors(bus, new LocalApic(bus, APIC), patience, log)

describe('register files', () => {
  it('lie where the manuals say', () => {
    const { ID, EOI, SVR, LVT_LINT0 } = LOCAL_APIC.registers
    expect([ID.offset, EOI.offset, SVR.offset, LVT_LINT0.offset]).toEqual([0x20, 0xb0, 0xf0, 0x350])
    expect([IO_APIC.registers.IOREGSEL.offset, IO_APIC.registers.IOWIN.offset]).toEqual([0x00, 0x10])
  })
})

describe('the local APIC', () => {
  it('is opened for all vectors, with the spurious vector 0xff', () => {
    const bus = new SparseBus()
    new LocalApic(bus, APIC).enable()
    expect(bus.writes.at(-1)).toEqual({ address: APIC + 0xf0, width: 4, value: 0x1ff })
    expect(bus.writes).toContainEqual({ address: APIC + 0x80, width: 4, value: 0 })
  })
})

describe('vectors', () => {
  it('acknowledge edge interrupts before the handler runs, level ones after', () => {
    const bus = new SparseBus()
    const vectors = vectorsOn(bus)
    const order: string[] = []
    bus.onWrite = (address) => order.push(address === APIC + 0xb0 ? 'EOI' : 'other')
    for (const trigger of ['edge', 'level'] as const) {
      const vector = vectors.allocate(trigger)!
      vector.handlers.push(() => {
        order.push(trigger)
        return true
      })
      bus.interrupts.push(vector.number)
      expect(vectors.poll()).toBe(true)
    }
    expect(order).toEqual(['EOI', 'edge', 'level', 'EOI'])
  })

  it('that come while a driver spins are kept, and handled after, in order', () => {
    const bus = new SparseBus()
    const vectors = vectorsOn(bus)
    const handled: number[] = []
    const numbers = [0, 1].map((index) => {
      const vector = vectors.allocate('edge')!
      vector.handlers.push(() => handled.push(index) > 0)
      return vector.number
    })
    bus.interrupts.push(numbers[1]!, numbers[0]!)
    expect(vectors.spin(() => bus.interrupts.length === 0)).toBe(true)
    expect(handled).toEqual([])
    while (vectors.poll()) {}
    expect(handled).toEqual([1, 0])
  })

  it('do not keep a driver spinning that nothing answers', () => {
    expect(vectorsOn(new SparseBus()).spin(() => false)).toBe(false)
  })

  it('run out, and come back when released', () => {
    const vectors = vectorsOn(new SparseBus())
    const taken = Array.from({ length: 0xeb - 0x21 + 1 }, () => vectors.allocate('edge')!)
    expect(new Set(taken.map((one) => one.number)).size).toBe(0xcb)
    expect(vectors.allocate('edge')).toBeNull()
    vectors.release(taken[5]!)
    expect(vectors.allocate('level')?.number).toBe(taken[5]!.number)
  })

  it('count and acknowledge what nobody handles', () => {
    const bus = new SparseBus()
    const vectors = vectorsOn(bus)
    bus.interrupts.push(0x99, 0x1234)
    expect(vectors.poll()).toBe(true)
    expect(vectors.poll()).toBe(true)
    expect(vectors.poll()).toBe(false)
    expect(vectors.spurious).toBe(2)
    expect(bus.writes.filter(({ address }) => address === APIC + 0xb0)).toHaveLength(2)
  })

  it('disable a level line that nobody claims', () => {
    const bus = new SparseBus()
    const lines: string[] = []
    const vectors = vectorsOn(bus, 5000, (line) => lines.push(line))
    let disabled = 0
    const vector = vectors.allocate('level', () => {
      disabled++
    })!
    vector.handlers.push(() => false)
    bus.interrupts.push(...new Array<number>(1500).fill(vector.number))
    vectors.wait(() => false)
    expect(disabled).toBe(1)
    expect(lines.join()).toContain('nobody cared')
  })

  it('on a line that was disabled are asked all the same, once nothing else is left', () => {
    const bus = new SparseBus()
    const vectors = vectorsOn(bus, 5000)
    const vector = vectors.allocate('level')!
    let work = 0
    let asked = 0
    vector.handlers.push(() => {
      asked++
      return work-- > 0
    })
    bus.interrupts.push(...new Array<number>(1000).fill(vector.number))
    expect(vectors.wait(() => false)).toBe('idle')
    work = 3
    asked = 0
    expect(vectors.wait(() => work === 0)).toBe('done')
    expect(asked).toBe(3)
    expect(vectors.wait(() => false)).toBe('idle')
  })

  it('tell silence from impatience', () => {
    const bus = new SparseBus()
    const vectors = vectorsOn(bus)
    expect(vectors.wait(() => true)).toBe('done')
    expect(vectors.wait(() => false)).toBe('idle')
    bus.busy = true
    expect(vectors.wait(() => false)).toBe('gave-up')
    const endless = vectorsOn(Object.assign(new SparseBus(), { nextInterrupt: () => 0x40 }))
    expect(endless.wait(() => false)).toBe('gave-up')
  })
})

/** An I/O APIC whose version register says this, with what its entries were set to. */
function ioApicOn(bus: SparseBus, version = 0x0017_0020): { apic: IoApic; entries: Map<number, number> } {
  const entries = new Map<number, number>()
  let selected = 0
  bus.onWrite = (address, _width, value) => {
    if (address === IOAPIC) selected = value
    if (address === IOAPIC + 0x10) entries.set(selected, value)
  }
  bus.onRead = (address) => (address === IOAPIC + 0x10 ? (selected === 1 ? version : 0) : undefined)
  return { apic: new IoApic(bus, 0, IOAPIC, 0), entries }
}

const subsystem = {
  ioapicEntry: (_id: number, pin: number, vector: number) => ({ hi: 0x00aa_0000 | pin, lo: 0xa000 | vector }),
} as unknown as IommuSubsystem

const fn = (over: Partial<PciFunction>): PciFunction =>
  ({
    id: '0000:00:03.0',
    segment: 0,
    bus: 0,
    device: 3,
    function: 0,
    parent: null,
    interruptPin: 1,
    interruptLine: 0xff,
    ...over,
  }) as PciFunction

function legacy(routes: readonly PinRoutes[]): {
  lines: LegacyInterrupts
  vectors: Vectors
  entries: Map<number, number>
  bus: SparseBus
} {
  const bus = new SparseBus()
  const { apic, entries } = ioApicOn(bus)
  const vectors = vectorsOn(bus)
  return { lines: new LegacyInterrupts(vectors, [apic], routes, subsystem), vectors, entries, bus }
}

describe('the I/O APIC', () => {
  it('has as many pins as its version register says; none where nothing answers', () => {
    expect(ioApicOn(new SparseBus()).apic.pins).toBe(24)
    expect(ioApicOn(new SparseBus(), 0xffff_ffff).apic.pins).toBe(0)
  })

  it('is programmed high word first, since the low one opens the pin', () => {
    const bus = new SparseBus()
    const { apic } = ioApicOn(bus)
    apic.program(20, { lo: 0xa031, hi: 0x1 })
    const selected = bus.writes.filter(({ address }) => address === IOAPIC).map(({ value }) => value)
    expect(selected.slice(-2)).toEqual([0x10 + 41, 0x10 + 40])
  })
})

describe('interrupt pins', () => {
  it('lead where _PRT says, and share their vector', () => {
    const { lines, entries } = legacy([{ segment: 0, bus: 0, routes: [{ device: 3, pin: 0, gsi: 23 }] }])
    const first = lines.connect(fn({}), () => true)
    expect(first).toMatchObject({ gsi: 23, by: '_PRT: INTA of 0000:00:03.0 is GSI 23' })
    const second = lines.connect(fn({}), () => true)
    expect(second).toEqual(first)
    expect(entries.get(0x10 + 46)).toBe(0xa000 | (first as { vector: number }).vector)
  })

  it('ask each that shares the vector whose the interrupt was', () => {
    const { lines, vectors, bus } = legacy([{ segment: 0, bus: 0, routes: [{ device: 3, pin: 0, gsi: 23 }] }])
    const asked: string[] = []
    const { vector } = lines.connect(fn({}), () => {
      asked.push('a')
      return false
    }) as { vector: number }
    lines.connect(fn({}), () => {
      asked.push('b')
      return true
    })
    bus.interrupts.push(vector)
    vectors.poll()
    expect(asked).toEqual(['a', 'b'])
  })

  it('rotate behind bridges by device number', () => {
    const { lines } = legacy([{ segment: 0, bus: 0, routes: [{ device: 2, pin: 2, gsi: 18 }] }])
    const port = fn({ id: '0000:00:02.0', device: 2 })
    // INTB of device 1 arrives at the port as INTC.
    expect(
      lines.connect(fn({ segment: 0, bus: 1, device: 1, interruptPin: 2, parent: port }), () => true),
    ).toMatchObject({
      gsi: 18,
    })
  })

  it('go by Interrupt Line where _PRT does not know them', () => {
    const { lines } = legacy([])
    expect(lines.connect(fn({ interruptLine: 11 }), () => true)).toMatchObject({ gsi: 11 })
  })

  it.each([
    ['no pin', { interruptPin: 0 }, 'no interrupt pin'],
    ['no route', {}, 'no _PRT entry'],
    ['a GSI that no I/O APIC has', { interruptLine: 99 }, 'no I/O APIC'],
  ])('with %s lead nowhere', (_, over, reason) => {
    expect(legacy([]).lines.connect(fn(over), () => true)).toContain(reason)
  })
})
