import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'
import { parseLine, refusalOfMachine } from './parse-line.ts'

const parse = (line: string) => parseLine(`qemu-system-sparc64 ${line}`)
const refused = (line: string) => refusalOfMachine(`qemu-system-sparc64 ${line}`)

describe('qemu-system-sparc64', () => {
  it('makes a sun4u with 128 MiB unless told otherwise', () => {
    expect(parse('')).toMatchObject({ machine: 'sun4u', memory: 2 ** 27, cpus: 1, defaultDevices: true })
    expect(parse('-M sun4u -m 1G -nodefaults')).toMatchObject({ memory: 2 ** 30, defaultDevices: false })
    expect(refused('')).toBe('accepted')
  })

  it('places devices on bus B', () => {
    const line = '-nodefaults -device virtio-rng-pci,bus=pciB,disable-legacy=on,iommu_platform=on'
    expect(parse(line).devices).toMatchObject([{ model: 'virtio-rng-pci', bus: 'pciB' }])
    expect(refused(line)).toBe('accepted')
  })

  it('leaves out its card with -net none, and its display with -vga none', () => {
    const { machineProperties } = parse('-net none -vga none')
    expect(machineProperties).toMatchObject({ defaultNic: false, vga: 'none' })
    // So there is room on bus A.
    expect(refused('-net none -vga none -device virtio-rng-pci,bus=pciA')).toBe('accepted')
    expect(refused('-net none -device virtio-rng-pci,bus=pciA')).toMatch(/all in use or reserved/)
  })

  it('puts the display and the first card of its own where they are on the board, further cards on bus B', () => {
    expect(parse('-nodefaults -vga std -nic user -nic user -nic user,model=e1000').devices).toMatchObject([
      { model: 'VGA', bus: 'pciA', addr: { device: 2, function: 0 } },
      { model: 'sunhme', bus: 'pciA', addr: { device: 1, function: 1 } },
      { model: 'sunhme', bus: 'pciB' },
      { model: 'e1000', bus: 'pciB' },
    ])
    expect(refused('-nodefaults -vga std -nic user -nic user -nic user,model=e1000')).toBe('accepted')
    expect(refused('-net nic -device sunhme,bus=pciB')).toBe('accepted')
  })

  it('has a card that machines of other processors have not', () => {
    expect(() => parseQemuCommandLine(['qemu-system-x86_64', '-device', 'sunhme'], { qemuVersion: '11.1' })).toThrow(
      /'sunhme' is not a valid device model name of qemu-system-x86_64/,
    )
  })

  it.each([
    ['-nodefaults -device virtio-rng-pci,bus=pci,addr=1.2', /no interrupt of a device on 'pci' is modelled/],
    ['-M sun4v', /^QEMU_MACHINE: .*'sun4v' is not modelled; modelled are sun4u/],
    ['-M niagara', /is not modelled/],
    ['-M q35', /^QEMU_MACHINE: .*unsupported machine type 'q35'/],
    ['-smp 2', /max CPUs/i],
    ['-nodefaults -device virtio-rng-pci', /no slot\/function available for virtio-rng-pci/],
    ['-nodefaults -device virtio-rng-pci,bus=pcib', /Bus 'pcib' not found; did you mean 'pciB'/],
    ['-nodefaults -device virtio-rng-pci,bus=pciB,iommu_platform=on', /neither legacy nor transitional/],
    ['-nodefaults -device virtio-iommu-pci,bus=pciB', /hotplug handler/],
    ['-nodefaults -device spapr-pci-host-bridge', /spapr-pci-host-bridge/],
    ['-M sun4u,gic-version=3', /Property 'gic-version' not found/],
  ])('refuses %s', (line, message) => {
    expect(refused(line)).toMatch(message)
  })
})
