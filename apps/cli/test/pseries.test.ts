import { readFileSync } from 'node:fs'
import { type DtNode, parseDtb } from '@dmascope/devicetree'
import { parseQemuCommandLine } from '@dmascope/qemu'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

interface TruthCase {
  readonly qemu: '7.2' | '11.1'
  readonly guest: string
  readonly arguments: readonly string[]
  readonly devices: readonly {
    readonly id: string
    /** First and last address of each BAR that Linux found, as its CPU sees it; ports by number. */
    readonly resources: readonly (readonly [string, string])[]
  }[]
}

const boot = (args: readonly string[], qemuVersion: '7.2' | '11.1' = '11.1', guest = 'linux-6.12') => {
  const { report, tables } = runBoot({
    description: parseQemuCommandLine(['qemu-system-ppc64', ...args], { qemuVersion }),
    guest,
    trace: false,
    tables: true,
  })
  return { report, tree: () => parseDtb(tables.get('machine.dtb')!) }
}

/** What `assigned-addresses` says, as the CPU sees it: the 32-bit window is at 2^45 + 2^31. */
function resourcesOf(node: DtNode | undefined): string[][] {
  const cells = node?.cells('assigned-addresses') ?? []
  const resources: string[][] = []
  for (let at = 0; at < cells.length; at += 5) {
    const [space, hi, lo, , size] = cells.slice(at, at + 5) as [number, number, number, number, number]
    const isMemory32 = ((space >>> 24) & 3) !== 1 && hi === 0
    const start = hi * 2 ** 32 + lo + (isMemory32 ? 2 ** 45 : 0)
    resources.push([`0x${start.toString(16)}`, `0x${(start + size - 1).toString(16)}`])
  }
  return resources
}

describe.each(['ppc-n-default-q111-k612', 'ppc-o-six-q72-k612'])('%s', (name) => {
  const truth = JSON.parse(readFileSync(new URL(`truth/${name}.json`, import.meta.url), 'utf8')) as TruthCase
  const { tree } = boot(truth.arguments.slice(1), truth.qemu, truth.guest)

  it('has BARs where Linux found them', () => {
    const bridge = tree().root.children.find((node) => node.string('device_type') === 'pci')
    for (const { id, resources } of truth.devices) {
      const slot = Number.parseInt(id.slice(8, 10), 16)
      const node = bridge?.children.find((child) => (child.cell('reg') ?? 0) >>> 11 === slot)
      expect(resourcesOf(node), id).toEqual(resources)
    }
  })
})

describe('a POWER machine', () => {
  it('reports devices of a second host bridge behind that one', () => {
    const { report } = boot([
      ...['-nodefaults', '-device', 'spapr-pci-host-bridge,index=1,id=p1'],
      ...['-device', 'virtio-rng-pci,bus=p1.0'],
      ...['-device', 'virtio-rng-pci,bus=pci.0,iommu_platform=on,disable-legacy=on'],
    ])
    expect(report.machine).toMatchObject({ type: 'pseries', arch: 'ppc64' })
    expect(report.devices.map(({ id, status, verdict }) => [id, status, verdict])).toEqual([
      ['0000:00:00.0', 'translated', 'works'],
      ['0001:00:00.0', 'passthrough', 'works'],
    ])
    const [finding] = report.findings
    expect([finding?.device, finding?.message]).toEqual(['0001:00:00.0', expect.stringContaining('iommu-phb0001')])
  })

  it('never starts a kernel where SLOF has counted bridges of an earlier host bridge', () => {
    const behind = ['-device', 'pci-bridge,id=b,chassis_nr=9', '-device', 'virtio-rng-pci,bus=b']
    const second = ['-nodefaults', '-device', 'spapr-pci-host-bridge,index=2', ...behind]
    expect(boot(second).report).toMatchObject({ guest: { booted: true }, devices: [{}, { verdict: 'works' }] })
    const both = boot([...second, '-device', 'pci-bridge,chassis_nr=1,bus=pci.0']).report
    expect(both.guest).toMatchObject({
      booted: false,
      halted: expect.stringMatching(/SLOF does not find the \S+@0 node/),
    })
    expect(both.devices).toEqual([])
    const sameBridge = ['-device', 'pci-bridge,id=c,chassis_nr=1,bus=pci.0', '-device', 'virtio-rng-pci,bus=c']
    expect(boot([...second.slice(0, 1), ...sameBridge, ...behind]).report.guest.booted).toBe(true)
  })

  it('hangs a kernel that believes the tree, where a device does not heed it', () => {
    const { report } = boot(['-nodefaults', '-device', 'virtio-rng-pci'], '11.1', 'always-dma-api')
    expect(report.devices[0]).toMatchObject({ status: 'passthrough', io: { ok: false } })
  })
})
