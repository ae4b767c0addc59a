import type { CpuBus } from '@dmascope/memory/contracts'
import { runSlof } from '../../../firmware/src/index.ts'
import {
  createMachine,
  type DeviceDescription,
  type Machine,
  type MachineDescription,
} from '../../../machine/src/index.ts'
import { bootGuest, type GuestResult } from '../../src/index.ts'
import { busLike } from './bus-of.ts'

/** Calls of RTAS by token, beside hypervisor calls by number. */
const H_RTAS = 0xf000
/** What a machine without hypervisor answers. */
const H_FUNCTION = -2
const NAMES: Readonly<Record<number, string>> = {
  32: 'H_PUT_TCE',
  312: 'H_STUFF_TCE',
  316: 'H_PUT_TCE_INDIRECT',
  100: 'H_EOI',
  936: 'H_INT_GET_SOURCE_INFO',
  940: 'H_INT_SET_SOURCE_CONFIG',
  968: 'H_INT_ESB',
  976: 'H_INT_RESET',
  8202: 'ibm,set-xive',
  8205: 'ibm,int-on',
  8214: 'ibm,read-pci-config',
  8215: 'ibm,write-pci-config',
  8216: 'ibm,query-interrupt-source-number',
  8217: 'ibm,change-msi',
  8230: 'ibm,query-pe-dma-window',
  8231: 'ibm,create-pe-dma-window',
}

export interface Partition {
  readonly machine: Machine
  readonly result: GuestResult
  /** The calls that the kernel made, as `name status`, runs of the same once. */
  readonly calls: readonly string[]
  /** Where its device tree is. */
  readonly tree: number
}

export interface PartitionOptions {
  readonly profile?: string
  readonly more?: Partial<MachineDescription>
  /** Changes the bus that the kernel runs on. */
  readonly behind?: (bus: CpuBus) => CpuBus
}

/** Memory where QEMU and SLOF put their trees, and hypervisor calls that are counted. */
export function counted(bus: CpuBus, calls: string[]): CpuBus {
  const hypercall = (number: number, args: Uint32Array, out: Uint32Array): number => {
    const cells = new DataView(new ArrayBuffer(64))
    if (number === H_RTAS) bus.readBytes(args[0]!, new Uint8Array(cells.buffer))
    const name = NAMES[number === H_RTAS ? cells.getUint32(0) : number] ?? number.toString(16)
    const code = bus.hypercall?.(number, args, out) ?? H_FUNCTION
    let status = code
    if (number === H_RTAS) {
      const answer = new DataView(new ArrayBuffer(4))
      bus.readBytes(args[0]! + 12 + cells.getUint32(4) * 4, new Uint8Array(answer.buffer))
      status = answer.getInt32(0)
    }
    const call = `${name} ${status}`
    if (calls.at(-1) !== call) calls.push(call)
    return code
  }
  return busLike(bus, { hypercall })
}

/** Boots a partition with these devices, SLOF first. */
export function partition(devices: readonly DeviceDescription[], options: PartitionOptions = {}): Partition {
  const { machine, deviceTree } = createMachine({
    machine: 'pseries',
    qemuVersion: '11.1',
    name: 'test',
    source: 'file',
    memory: 512 * 1024 * 1024,
    cpus: 1,
    cpu: 'power9',
    defaultDevices: false,
    machineProperties: {},
    devices,
    append: '',
    ignored: [],
    ...options.more,
  })
  const slof = runSlof(machine.bus, { deviceTree: deviceTree! })
  machine.endFirmwarePhase()
  const calls: string[] = []
  const bus = counted(options.behind?.(machine.bus) ?? machine.bus, calls)
  const result = bootGuest(bus, {
    profile: options.profile ?? 'linux-6.12',
    witness: machine.witness,
    architecture: 'ppc64',
    entry: { deviceTree: slof.deviceTree! },
  })
  return { machine, result, calls, tree: slof.deviceTree! }
}
