import { createMachine, type DmascopeError } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'

/** Where each device named by an id stands, or why QEMU refuses the machine. */
function places(program: string, line: string): Record<string, string> | string {
  const words = [`qemu-system-${program}`, '-nodefaults', ...line.split(/\s+/).filter((word) => word !== '')]
  try {
    const { machine } = createMachine(parseQemuCommandLine(words, { qemuVersion: '11.1' }))
    const seen = machine.observe().flatMap(({ id, deviceId }) => (deviceId === null ? [] : [[deviceId, id] as const]))
    machine.dispose()
    return Object.fromEntries(seen)
  } catch (error) {
    return (error as DmascopeError).message.replace(/^argument \d+ \([^)]*\): /, '')
  }
}

describe('names of buses whose device has none', () => {
  it('counts host bridges and conventional bridges of a pseries together, after its own pci.0', () => {
    expect(
      places(
        'ppc64',
        `-device pci-bridge,chassis_nr=1 -device spapr-pci-host-bridge,index=7,id=named
         -device spapr-pci-host-bridge,index=2 -device virtio-rng-pci,id=a,bus=pci.2,addr=5
         -device virtio-rng-pci,id=b,bus=named.0,addr=6 -device virtio-rng-pci,id=c`,
      ),
    ).toEqual({ a: '0002:00:05.0', b: '0007:00:06.0', c: '0002:00:00.0' })
    expect(places('ppc64', '-device spapr-pci-host-bridge,index=1,id=x -device virtio-rng-pci,bus=pci.1')).toMatch(
      /^Bus 'pci\.1' not found/,
    )
  })

  it('counts ports from pcie.0 on, which the root bus of a Q35 is found before', () => {
    expect(
      places(
        'x86_64',
        `-M q35 -device pcie-root-port,addr=8 -device pcie-root-port,addr=9,chassis=1
         -device virtio-rng-pci,id=root,bus=pcie.0,addr=3 -device virtio-rng-pci,id=below,bus=pcie.1`,
      ),
      // Nobody has numbered the bus below the port yet.
    ).toEqual({ root: '0000:00:03.0', below: '0000:00:09.0/00.0' })
  })

  it('finds pcie.0 below an expander first, where a port there got that name', () => {
    const ports = '-device pcie-root-port,bus=p,addr=1 -device pcie-root-port,bus=p,addr=2,chassis=1'
    expect(
      places('x86_64', `-M q35 -device pxb-pcie,id=p,bus_nr=8 ${ports} -device virtio-rng-pci,id=below,bus=pcie.0`),
    ).toEqual({ p: '0000:00:01.0', below: '0000:08:01.0/00.0' })
  })

  it('names the bus of an expander for its kind', () => {
    const ports = (bus: string): ReturnType<typeof places> =>
      places('x86_64', `-M q35 -device pxb-pcie,bus_nr=8 -device pcie-root-port,id=port,bus=${bus}`)
    expect(ports('pxb-pcie-bus.0')).toEqual({ port: '0000:08:00.0' })
    expect(ports('pxb-pcie-bus.1')).toMatch(/^Bus 'pxb-pcie-bus\.1' not found/)
  })

  it('counts a PC’s bridges after its own pci.0', () => {
    expect(
      places('x86_64', '-M pc -device pci-bridge,chassis_nr=1 -device virtio-rng-pci,id=below,bus=pci.1,addr=4'),
    ).toEqual({ below: '0000:00:02.0/04.0' })
  })
})

describe('numa_node', () => {
  const node = (id: number, size = 256, number = id): string =>
    `-object memory-backend-ram,id=m${id},size=${size}M -numa node,nodeid=${number},memdev=m${id}`
  const expander = (of: number, more = ''): ReturnType<typeof places> =>
    places('x86_64', `-M q35 -m 512M ${more} -device pxb-pcie,bus_nr=8,numa_node=${of}`)
  const bridge = (of: number, more = ''): ReturnType<typeof places> =>
    places('ppc64', `-m 512M ${more} -device spapr-pci-host-bridge,index=1,numa_node=${of}`)

  it('is a node of which -numa tells', () => {
    expect(expander(0)).toBe('Illegal numa node 0; leave numa_node out, or add -numa node')
    expect(expander(0, node(0, 512))).toEqual({})
    expect(expander(1, `${node(0)} ${node(1)}`)).toEqual({})
    expect(expander(2, `${node(0)} ${node(1)}`)).toBe('Illegal numa node 2; there are 0, 1')
    expect(expander(0xffff)).toEqual({})
  })

  it('is 0 on a pseries without, which has a node of its own', () => {
    expect(bridge(0)).toEqual({})
    expect(bridge(5)).toBe('Invalid NUMA node ID for PCI host bridge; there are 0')
    expect(bridge(5, `${node(0)} ${node(1, 256, 5)}`)).toEqual({})
    expect(bridge(1, '-numa node,mem=256M -numa node,mem=256M')).toEqual({})
  })

  it('is 0 where memory may be plugged in', () => {
    expect(expander(0, '-m 512M,slots=2,maxmem=1G')).toEqual({})
  })

  it('comes with nodes of different numbers, below 128', () => {
    expect(expander(0, '-numa node,nodeid=3 -numa node,nodeid=3')).toBe('Duplicate NUMA nodeid: 3')
    expect(expander(0, '-numa node,nodeid=128')).toMatch(/^Max number of NUMA nodes reached: 128/)
  })

  it('comes with nodes that have all memory between them', () => {
    expect(expander(0, '-numa node')).toMatch(
      /^total memory for NUMA nodes \(0x0\) should equal RAM size \(0x20000000\)/,
    )
    expect(expander(0, '-numa node,mem=512M')).toMatch(
      /^Parameter -numa node,mem is not supported by this machine type/,
    )
    expect(expander(0, '-numa node,memdev=none')).toMatch(/^memdev=none is ambiguous/)
  })
})
