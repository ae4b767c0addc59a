import { describe, expect, it } from 'vitest'
import type { DeviceDescription, Machine } from '../../machine/src/index.ts'
import { type StartedXen, startXen } from '../../xen/src/index.ts'
import { bootGuest, type GuestResult, recordCpuBus, replayCpuBus } from '../src/index.ts'
import { ACCESS_PLATFORM, device, disk, machineWith } from './support/test-machine.ts'

const MIB = 0x10_0000
const DEVICES = [
  disk(2, ACCESS_PLATFORM),
  disk(3),
  device('virtio-rng-pci', 4),
  device('e1000e', 5),
  device('nvme', 6, { serial: 'a' }),
]

/** A q35 on which Xen has started. */
function xenWith(devices: readonly DeviceDescription[], append = ''): { machine: Machine; xen: StartedXen } {
  const machine = machineWith(devices, { append })
  const xen = startXen(machine.bus, { memory: 192 * MIB })
  if (typeof xen === 'string') throw new Error(xen)
  machine.setMemoryOwners(xen.foreign)
  return { machine, xen }
}

function boot(profile: string, devices: readonly DeviceDescription[] = DEVICES, append = ''): GuestResult {
  const { machine, xen } = xenWith(devices, append)
  const witness = xen.witnessFor(machine.witness)
  const result = bootGuest(xen.bus, { profile, witness, entry: { startInfo: xen.startInfo } })
  machine.dispose()
  return result
}

const seen = (result: GuestResult): unknown[] =>
  result.devices
    .filter(({ io }) => io.kind !== 'none')
    .map(({ id, dmaPath, io, interrupt }) => [id, dmaPath, io.ok, interrupt.mode])

describe('the kernel of Xen’s first domain', () => {
  it('gives devices the machine’s addresses, and has interrupts by event channels', () => {
    const result = boot('linux-6.12')
    expect(result.booted).toBe(true)
    expect(seen(result)).toEqual([
      ['0000:00:02.0', 'xen', true, 'msix'],
      ['0000:00:03.0', 'xen', true, 'msix'],
      ['0000:00:04.0', 'xen', true, 'msix'],
      ['0000:00:05.0', 'xen', true, 'msix'],
      ['0000:00:06.0', 'xen', true, 'msix'],
    ])
    expect(result.timeline).toContain('Xen 4.17: the first domain, with 49152 pages; frames at 0x2000000')
  })

  it('has interrupt pins by Xen’s hands too, where there are no messages', () => {
    const result = boot('linux-6.12', [disk(2), disk(3)], 'pci=nomsi')
    expect(seen(result)).toEqual([
      ['0000:00:02.0', 'xen', true, 'intx'],
      ['0000:00:03.0', 'xen', true, 'intx'],
    ])
  })

  it('takes Linux 4.4’s rule for what it is: physical addresses, which are not the machine’s', () => {
    const { machine, xen } = xenWith([disk(2)])
    const witness = xen.witnessFor(machine.witness)
    const result = bootGuest(xen.bus, { profile: 'linux-4.4', witness, entry: { startInfo: xen.startInfo } })
    const observed = machine.observe().find(({ id }) => id === '0000:00:02.0')!
    machine.dispose()
    expect(result.devices.find(({ id }) => id === '0000:00:02.0')!.dmaPath).toBe('physical')
    expect(observed.strayCount).toBeGreaterThan(0)
    for (const { owner } of observed.strays) expect(owner).toBeTypeOf('string')
    expect(observed.dma['self-test'].untranslated).toBe(0)
  })

  it('uses the DMA API under Xen from 4.6 on, without bit 33', () => {
    const result = boot('linux-4.6', [disk(2)])
    expect(seen(result)).toEqual([['0000:00:02.0', 'xen', true, 'msix']])
    const why = result.devices.find(({ id }) => id === '0000:00:02.0')!.why
    expect(why.map(({ fact }) => fact)).toContain('DMA API: the guest is a Xen domain')
  })

  it('exchanges memory for rings that do not lie in a row', () => {
    const machine = machineWith([disk(2)])
    const xen = startXen(machine.bus, { memory: 192 * MIB, piece: 4096 })
    if (typeof xen === 'string') throw new Error(xen)
    const { bus, trace } = recordCpuBus(xen.bus)
    const witness = xen.witnessFor(machine.witness)
    const result = bootGuest(bus, { profile: 'linux-6.12', witness, entry: { startInfo: xen.startInfo } })
    machine.dispose()
    expect(seen(result)).toEqual([['0000:00:02.0', 'xen', true, 'msix']])
    const exchanges = trace.operations.filter(([kind, number, args, code]) => {
      return kind === 'h' && number === 12 && (args as readonly number[])[0] === 11 && code === 0
    }).length
    // 256 segments of 64 MiB of bounce buffers, and a ring of 3 pages.
    expect(exchanges).toBe(257)
  })

  it('decides the same on a replay of its CPU bus, with no machine behind it', () => {
    const { machine, xen } = xenWith(DEVICES)
    const { bus, trace } = recordCpuBus(xen.bus)
    const entry = { startInfo: xen.startInfo }
    const result = bootGuest(bus, { profile: 'linux-6.12', witness: xen.witnessFor(machine.witness), entry })
    machine.dispose()
    const replayed = replayCpuBus(JSON.parse(JSON.stringify(trace)))
    const nobody = { grant: () => 0, revoke: () => {}, phase: () => {} }
    const again = bootGuest(replayed, { profile: 'linux-6.12', witness: nobody, entry })
    expect(replayed.divergence).toBe(null)
    expect(replayed.remaining).toBe(0)
    expect(again).toEqual(result)
    expect(
      trace.operations.some(([kind]) => kind === 'c'),
      'CPUID is in the recording',
    ).toBe(true)
  })

  it('stops with the reason where the machine is no Xen, or start_info is none', () => {
    const { machine, xen } = xenWith([])
    const witness = machine.witness
    const halted = (bus: Parameters<typeof bootGuest>[0], startInfo: number): string | undefined =>
      bootGuest(bus, { profile: 'linux-6.12', witness, entry: { startInfo } }).halted
    expect(halted(machine.bus, xen.startInfo)).toBe('started as a Xen domain, and CPUID names no Xen')
    expect(halted(xen.bus, 0x300_0000)).toBe('no start_info at 0x3000000')
    xen.bus.write32(xen.startInfo + 48, 0)
    expect(halted(xen.bus, xen.startInfo)).toBe(
      'a Xen domain other than the first, which has no devices of the machine',
    )
    machine.dispose()
  })

  it('survives a Xen that refuses every call', () => {
    const { machine, xen } = xenWith(DEVICES)
    const { bus } = recordCpuBus(xen.bus)
    const deaf = { ...bus, hypercall: () => -38 }
    const boot = { profile: 'linux-6.12', witness: machine.witness, entry: { startInfo: xen.startInfo } }
    expect(bootGuest(deaf, boot).halted).toBe('XENMEM_machine_memory_map answers -38')
    const deafToEvents = {
      ...bus,
      hypercall: (number: number, args: Uint32Array, out: Uint32Array): number =>
        number === 12 && args[0] === 10 ? bus.hypercall!(number, args, out) : -38,
    }
    const result = bootGuest(deafToEvents, boot)
    expect(result.booted).toBe(true)
    expect(result.devices.filter(({ io }) => io.ok)).toEqual([])
    machine.dispose()
  })
})
