import { onTestFinished } from 'vitest'
import {
  createMachine,
  type DeviceDescription,
  DmascopeError,
  type Machine,
  type MachineDescription,
  type MachineName,
} from '../src/index.ts'

/** A device as a description has it. */
export const device = (model: string, more: Partial<DeviceDescription> = {}): DeviceDescription => ({
  model,
  properties: {},
  location: { text: `test (${model})` },
  ...more,
})

/** A machine with one processor, 512 MiB, these devices and no others; unless `more` says otherwise. */
export const describeMachine = (
  machine: MachineName,
  devices: readonly DeviceDescription[],
  more: Partial<MachineDescription> = {},
): MachineDescription => ({
  machine,
  qemuVersion: '11.1',
  name: machine,
  source: 'file',
  memory: 512 * 2 ** 20,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  append: '',
  ignored: [],
  devices,
  ...more,
})

/** The machine, until the end of the test that asks for it. */
export function build(description: MachineDescription): ReturnType<typeof createMachine> {
  const built = createMachine(description)
  onTestFinished(() => built.machine.dispose())
  return built
}

/** What `use` makes of the machine, which is gone then. */
export function using<Result>(description: MachineDescription, use: (machine: Machine) => Result): Result {
  const { machine } = createMachine(description)
  try {
    return use(machine)
  } finally {
    machine.dispose()
  }
}

/** What is said of a machine that cannot be; `accepted` of one that can. */
export function refusalOf(description: MachineDescription): string {
  try {
    createMachine(description).machine.dispose()
  } catch (error) {
    return (error as Error).message
  }
  return 'accepted'
}

/** Code and message of what `work` refuses a person's input with. */
export function errorOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof DmascopeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'nothing thrown'
}
