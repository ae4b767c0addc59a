import type { MachineName, QemuVersion } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'

// What QEMU 7.2 and 11.1 answered to these, or made of them.

const PROGRAM: Readonly<Partial<Record<MachineName, string>>> = { virt: 'aarch64', pseries: 'ppc64' }

const parse = (smp: string, machine: MachineName, version: QemuVersion, type: string = machine) =>
  parseQemuCommandLine([`qemu-system-${PROGRAM[machine] ?? 'x86_64'}`, '-M', type, '-smp', smp], {
    qemuVersion: version,
  })

describe('-smp on virt', () => {
  it.each([
    ['4', 4, 4, { sockets: 1, cores: 4, threads: 1 }],
    ['4,sockets=2', 4, 4, { sockets: 2, cores: 2, threads: 1 }],
    ['4,cores=2', 4, 4, { sockets: 2, cores: 2, threads: 1 }],
    ['8,threads=2', 8, 8, { sockets: 1, cores: 4, threads: 2 }],
    ['sockets=2,cores=2', 4, 4, { sockets: 2, cores: 2, threads: 1 }],
    ['2,maxcpus=4,clusters=2', 2, 4, { sockets: 1, clusters: 2, cores: 2, threads: 1 }],
    ['maxcpus=4', 4, 4, { sockets: 1, cores: 4, threads: 1 }],
    ['2,clusters=1', 2, 2, { sockets: 1, clusters: 1, cores: 2, threads: 1 }],
  ])('%s', (smp, cpus, most, topology) => {
    for (const version of ['7.2', '11.1'] as const) {
      const made = parse(smp, 'virt', version)
      expect([made.cpus, made.maxCpus ?? made.cpus, made.topology]).toEqual([cpus, most, topology])
    }
  })

  it('types of before 6.2 make sockets', () => {
    expect(parse('4', 'virt', '7.2', 'virt-6.1').topology).toEqual({ sockets: 4, cores: 1, threads: 1 })
    expect(parse('4', 'virt', '7.2', 'virt-6.2').topology).toEqual({ sockets: 1, cores: 4, threads: 1 })
  })

  it.each([
    [
      '4,sockets=3',
      'product of the hierarchy must match maxcpus: sockets (3) * clusters (1) * cores (1) * threads (1) != maxcpus (4)',
    ],
    [
      '2,maxcpus=1',
      'maxcpus must be equal to or greater than smp: sockets (1) * clusters (1) * cores (1) * threads (1) == maxcpus (1) < smp_cpus (2)',
    ],
  ])('%s is refused', (smp, message) => {
    expect(() => parse(smp, 'virt', '11.1')).toThrow(`Invalid CPU topology: ${message}`)
  })
})

describe('levels that a machine does not have', () => {
  it.each([
    ['4,dies=2', 'virt', '7.2', "dies not supported by this machine's CPU topology"],
    ['4,dies=2', 'virt', '11.1', "dies > 1 not supported by this machine's CPU topology"],
    ['4,modules=2', 'virt', '7.2', "Parameter 'smp.modules' is unexpected"],
    ['4,modules=2', 'virt', '11.1', "modules > 1 not supported by this machine's CPU topology"],
    ['4,clusters=2', 'q35', '7.2', "clusters not supported by this machine's CPU topology"],
    ['4,clusters=2', 'pseries', '11.1', "clusters > 1 not supported by this machine's CPU topology"],
  ] as const)('%s of %s, QEMU %s', (smp, machine, version, message) => {
    expect(() => parse(smp, machine, version)).toThrow(message)
  })

  it('may be said to be 1', () => {
    expect(parse('4,dies=1', 'virt', '7.2').cpus).toBe(4)
    expect(parse('4,sockets=4,dies=1,clusters=1,cores=1,threads=1', 'q35', '7.2').cpus).toBe(4)
  })

  it('others count', () => {
    expect(parse('8,dies=2,cores=2', 'q35', '7.2').cpus).toBe(8)
    expect(parse('8,dies=2,cores=2', 'q35', '7.2').topology).toEqual({ sockets: 2, dies: 2, cores: 2, threads: 1 })
    expect(parse('8', 'q35', '7.2').topology).toBeUndefined()
    expect(() => parse('8,dies=3,cores=2', 'q35', '7.2')).toThrow('sockets (1) * dies (3) * cores (2) * threads (1)')
  })
})
