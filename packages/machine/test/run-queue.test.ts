import type { PciFunction } from '@dmascope/pci'
import { ConfigSpace } from '@dmascope/pci'
import { describe, expect, it } from 'vitest'
import { pcBoard } from '../src/board/pc-board.ts'
import { Q35 } from '../src/chipset/chipset.ts'
import { RunQueue } from '../src/fabric/run-queue.ts'
import { createMachine, Machine } from '../src/index.ts'

type Answer = ReturnType<PciFunction['work']>

/** A function whose `work` does as told, and counts. */
function worker(work: (turn: number) => Answer): PciFunction & { turns: number; budgets: Set<number> } {
  const one = {
    config: new ConfigSpace({ vendorId: 0x1af4, deviceId: 0x1042, classCode: 0xff_0000 }),
    turns: 0,
    budgets: new Set<number>(),
    connect() {},
    readBar(_bar: number, _offset: number, _width: 1 | 2 | 4 | 8, out: Uint32Array) {
      out.fill(0)
    },
    writeBar() {},
    work(budget: number): Answer {
      one.budgets.add(budget)
      return work(one.turns++)
    },
    reset() {},
  }
  return one
}

const never = (): boolean => false

describe('the run queue', () => {
  it('gives each function that was touched one turn, in the order of touching', () => {
    const queue = new RunQueue()
    const order: string[] = []
    const make = (name: string): PciFunction =>
      worker(() => {
        order.push(name)
        return 'idle'
      })
    const [a, b] = [make('a'), make('b')]
    for (const one of [b, a, b, a]) queue.touch(one)
    expect(queue.empty).toBe(false)
    queue.run(never)
    expect(order).toEqual(['b', 'a'])
    expect(queue.empty).toBe(true)
    queue.run(never)
    expect(order).toHaveLength(2)
  })

  it('lets functions with more to do take turns, so that none waits for another to finish', () => {
    const queue = new RunQueue()
    const order: string[] = []
    const make = (name: string, turns: number): PciFunction =>
      worker((turn) => {
        order.push(name)
        return turn + 1 < turns ? 'more' : 'idle'
      })
    queue.touch(make('a', 3))
    queue.touch(make('b', 2))
    queue.run(never)
    expect(order.join('')).toBe('ababa')
  })

  it('forgets a function that waits for another party, until it is touched again', () => {
    const queue = new RunQueue()
    const one = worker(() => 'waiting')
    queue.touch(one)
    queue.run(never)
    expect([one.turns, queue.empty]).toEqual([1, true])
    queue.touch(one)
    queue.run(never)
    expect(one.turns).toBe(2)
  })

  it('stops before the next turn when told to, and goes on from there', () => {
    const queue = new RunQueue()
    const one = worker((turn) => (turn < 9 ? 'more' : 'idle'))
    queue.touch(one)
    queue.run(() => one.turns === 4)
    expect([one.turns, queue.empty]).toEqual([4, false])
    queue.run(never)
    expect([one.turns, queue.empty]).toEqual([10, true])
  })

  it('queues a function that is touched while it works', () => {
    const queue = new RunQueue()
    const one = worker((turn) => {
      if (turn === 0) queue.touch(one)
      return 'idle'
    })
    queue.touch(one)
    queue.run(never)
    expect(one.turns).toBe(2)
  })

  it('counts its turns, and bounds those of one run and their budgets', () => {
    const queue = new RunQueue()
    const one = worker(() => 'more')
    queue.touch(one)
    queue.run(never)
    expect(one.turns).toBe(65_536)
    expect(queue.turns).toBe(65_536)
    expect([...one.budgets]).toEqual([64])
    expect(queue.empty).toBe(false)
  })

  it('keeps its order and loses nobody over many turns', () => {
    const queue = new RunQueue()
    const many = Array.from({ length: 50 }, (_, index) => worker((turn) => (turn < 100 + index ? 'more' : 'idle')))
    for (const one of many) queue.touch(one)
    queue.run(never)
    expect(many.map(({ turns }) => turns)).toEqual(many.map((_, index) => 101 + index))
    expect(queue.empty).toBe(true)
  })
})

describe('waiting for an interrupt', () => {
  it('ends although a device is never done, and says that the machine is not idle', () => {
    const machine = new Machine({ board: pcBoard(Q35), memory: 0x800_0000 })
    const busy = worker(() => 'more')
    machine.plug({
      function: busy,
      model: 'busy',
      described: null,
      device: 3,
      fn: 0,
      dmaThrough: null,
      messagesThrough: null,
    })
    expect(machine.bus.idle()).toBe(true)
    machine.bus.ports!.out32(0xcf8, 0x8000_1804)
    machine.bus.ports!.out32(0xcfc, 4)
    expect(machine.bus.idle()).toBe(false)
    expect(machine.bus.nextInterrupt()).toBe(-1)
    expect(busy.turns).toBe(65_536)
    expect(machine.bus.idle()).toBe(false)
    machine.dispose()
  })

  it('costs nothing where nothing is to be done', () => {
    const { machine } = createMachine({
      machine: 'q35',
      qemuVersion: '11.1',
      name: 'test',
      source: 'file',
      memory: 0x800_0000,
      cpus: 1,
      defaultDevices: false,
      machineProperties: {},
      devices: [],
      append: '',
      ignored: [],
    })
    expect([machine.bus.idle(), machine.bus.nextInterrupt(), machine.bus.idle()]).toEqual([true, -1, true])
    machine.dispose()
  })
})
