import type { QemuVersion } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'
import { parseLine, refusalOfMachine } from './parse-line.ts'

const MiB = 2 ** 20

const parse = (line: string, qemuVersion?: QemuVersion) => parseLine(`qemu-system-ppc64 ${line}`, qemuVersion)
const refused = (line: string, qemuVersion?: QemuVersion) => refusalOfMachine(`qemu-system-ppc64 ${line}`, qemuVersion)

describe('qemu-system-ppc64', () => {
  it('makes pseries unless told otherwise, with 512 MiB', () => {
    expect(parse('')).toMatchObject({ machine: 'pseries', memory: 512 * MiB, cpus: 1, defaultDevices: true })
    expect(parse('-M pseries-9.2')).toMatchObject({ machineProperties: { type: 'pseries-9.2' } })
  })

  it('keeps the interrupt controller and processor of older types', () => {
    const { machineProperties, cpu } = parse('-M pseries-4.0', '7.2')
    expect([machineProperties, cpu]).toEqual([{ type: 'pseries-4.0', 'ic-mode': 'xics' }, 'power9'])
    expect(parse('-M pseries-4.0,ic-mode=dual -cpu power10', '7.2')).toMatchObject({
      machineProperties: { 'ic-mode': 'dual' },
      cpu: 'power10',
    })
    expect(parse('-M pseries-2.12', '7.2').cpu).toBe('power8')
    expect(refused('-nodefaults -M pseries-2.7', '7.2')).toMatch(/^QEMU_MACHINE: .*not modelled: before 2.8/)
  })

  it('says what may be plugged in later', () => {
    expect(parse('-m 1G,slots=4,maxmem=4G -smp 2,maxcpus=8')).toMatchObject({
      memory: 1024 * MiB,
      maxMemory: 4096 * MiB,
      cpus: 2,
      maxCpus: 8,
    })
    const { maxMemory, maxCpus } = parse('-m 1G -smp 2')
    expect([maxMemory, maxCpus]).toEqual([undefined, undefined])
  })

  it('makes a secure guest of the ultravisor’s', () => {
    const { machineProperties } = parse('-M pseries,confidential-guest-support=pef0 -object pef-guest,id=pef0')
    expect(machineProperties).toEqual({ confidential: 'pef' })
  })

  it('keeps the CPU, which a PC ignores', () => {
    expect(parse('-cpu power8')).toMatchObject({ cpu: 'power8', ignored: [] })
    const pc = parseQemuCommandLine(['qemu-system-x86_64', '-cpu', 'host'], { qemuVersion: '11.1' })
    expect(pc.ignored).toContain('-cpu host')
  })

  it('gives globals to the host bridge that the machine makes', () => {
    expect(parse('-global spapr-pci-host-bridge.ddw=off').hostBridge).toEqual({ ddw: false })
    expect(parse('').hostBridge).toEqual({})
  })

  it('takes a further host bridge, and devices on it', () => {
    expect(
      parse('-nodefaults -device spapr-pci-host-bridge,index=1,id=p1 -device virtio-rng-pci,bus=p1.0').devices,
    ).toMatchObject([
      { model: 'spapr-pci-host-bridge', id: 'p1', properties: { index: 1 } },
      { model: 'virtio-rng-pci', bus: 'p1.0' },
    ])
  })

  it.each([
    ['-M pseries,ic-mode=xics', { 'ic-mode': 'xics' }],
    ['-M pseries,cap-htm=off,kvm-type=HV,vof=on', {}],
  ])('%s', (line, properties) => {
    expect(parse(line).machineProperties).toEqual(properties)
  })

  it('ignores the card that a plain -nic adds: it is none of PCI', () => {
    const { devices, ignored } = parse('-nodefaults -nic user')
    expect([devices, ignored]).toEqual([[], ['-nic user']])
    expect(parse('-nodefaults -nic user,model=virtio-net-pci').devices).toMatchObject([{ model: 'virtio-net-pci' }])
  })

  it.each([
    ['-M q35', /^QEMU_MACHINE: .*unsupported machine type 'q35'; known are pseries/],
    ['-M powernv', /^QEMU_MACHINE: .*'powernv' is not modelled; modelled are pseries, ppce500/],
    ['-M powernv9,ic-mode=xive', /^QEMU_MACHINE_PROPERTY: .*Property 'ic-mode' not found/],
    ['-M powernv9,cap-htm=off', /^QEMU_MACHINE_PROPERTY: .*Property 'cap-htm' not found/],
    ['-device intel-iommu', /^QEMU_BUS: .*'intel-iommu' is not a valid device model name of qemu-system-ppc64$/],
    ['-device spapr-pci-host-bridge,id=x', /index/],
    ['-m 300M', /256/],
    ['-device virtio-iommu-pci', /virtio-iommu/],
  ])('refuses %s', (line, message) => {
    expect(refused(`-nodefaults ${line}`)).toMatch(message)
  })

  it('refuses properties of POWER machines on a PC', () => {
    const pc = (...args: string[]) => parseQemuCommandLine(args, { qemuVersion: '11.1' })
    expect(() => pc('-M', 'q35,ic-mode=xics')).toThrow("Property 'ic-mode' not found")
    expect(() => pc('-M', 'q35,cap-htm=off')).toThrow("Property 'cap-htm' not found")
    expect(() => pc('-M', 'q35', '-device', 'spapr-pci-host-bridge,index=1')).toThrow(
      "'spapr-pci-host-bridge' is not a valid device model name of qemu-system-x86_64",
    )
  })
})

describe('powernv9', () => {
  it('has 1 GiB by default, and the host bridges that the machine brings unless told otherwise', () => {
    const { machine, memory, defaultDevices, devices } = parse('-M powernv9 -device virtio-rng-pci,bus=pcie.3')
    expect([machine, memory, defaultDevices]).toEqual(['powernv9', 1 << 30, true])
    expect(devices).toMatchObject([{ model: 'virtio-rng-pci', bus: 'pcie.3' }])
  })

  it('takes host bridges and their ports as devices', () => {
    const line = '-M powernv9 -nodefaults -device pnv-phb,index=2,id=phb2 -device pnv-phb-root-port,bus=phb2,id=rp'
    expect(parse(line).devices).toMatchObject([
      { model: 'pnv-phb', id: 'phb2', properties: { index: 2 } },
      { model: 'pnv-phb-root-port', id: 'rp', bus: 'phb2' },
    ])
  })
})
