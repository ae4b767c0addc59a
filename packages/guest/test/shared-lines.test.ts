import { expect, it } from 'vitest'
import { LocalApic } from '../src/interrupts/local-apic.ts'
import { SharedLines } from '../src/interrupts/shared-lines.ts'
import { Vectors } from '../src/interrupts/vectors.ts'
import { SparseBus } from './support/sparse-bus.ts'

/** Lines of a controller that writes down what it is told, and a bus that delivers vectors. */
function rig() {
  const bus = new SparseBus()
  const vectors = new Vectors(bus, new LocalApic(bus, 0xfee0_0000), 5000, () => {})
  const disabled: number[] = []
  const lines = new SharedLines(vectors, { disable: (line) => void disabled.push(line) })
  return { bus, vectors, disabled, lines }
}

const through = (): boolean => true

it('the first device on a line claims its vector, the next joins, and an interrupt asks both', () => {
  const { bus, vectors, lines } = rig()
  const asked: string[] = []
  const handler = (name: string) => (): boolean => asked.push(name) > 0
  const enabled: number[] = []
  const enable = (line: number) => (): boolean => enabled.push(line) > 0
  expect(lines.join(40, 'level', handler('a'), enable(40))).toBe('joined')
  expect(lines.join(40, 'level', handler('b'), enable(40))).toBe('joined')
  expect(lines.join(41, 'level', handler('c'), enable(41))).toBe('joined')
  expect(enabled).toEqual([40, 41])
  bus.interrupts.push(40)
  expect(vectors.poll()).toBe(true)
  expect(asked).toEqual(['a', 'b'])
})

it('a vector that has another use is not taken from it', () => {
  const { vectors, lines } = rig()
  vectors.claim(40, 'edge')
  expect(lines.join(40, 'level', () => true, through)).toBe('taken')
})

it('a level line that nobody serves is disabled at the controller', () => {
  const { bus, vectors, disabled, lines } = rig()
  lines.join(40, 'level', () => false, through)
  for (let time = 0; time < 1000; time++) bus.interrupts.push(40)
  while (vectors.poll());
  expect(disabled).toEqual([40])
})

it('a line that the controller does not let through connects nobody, and the next device tries anew', () => {
  const { bus, vectors, lines } = rig()
  const asked: string[] = []
  const handler = (name: string) => (): boolean => asked.push(name) > 0
  expect(lines.join(40, 'level', handler('a'), () => false)).toBe('refused')
  expect(lines.join(40, 'level', handler('b'), () => false)).toBe('refused')
  expect(lines.join(40, 'level', handler('c'), through)).toBe('joined')
  bus.interrupts.push(40)
  vectors.poll()
  expect(asked).toEqual(['c'])
})
