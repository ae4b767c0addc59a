import type { QemuVersion } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'
import { parseLine, refusalOf, words } from './parse-line.ts'

describe('-global, -set and -readconfig', () => {
  it('a global gives a default to every device of its type, below what the device says itself', () => {
    const line = `-M q35 -global virtio-device.iommu_platform=on -global virtio-pci.disable-legacy=on
      -global driver=e1000e,property=init-vet,value=off
      -device virtio-rng-pci -device virtio-rng-pci,iommu_platform=off -device e1000e -device edu`
    const { devices } = parseLine(line, '7.2')
    expect(devices.map(({ properties }) => properties)).toEqual([
      { iommu_platform: true, 'disable-legacy': 'on' },
      { iommu_platform: false, 'disable-legacy': 'on' },
      { 'init-vet': false },
      {},
    ])
  })

  it('a global must fit each device that is made, and on 11.1 each network card that there is', () => {
    const global = 'virtio-pci.disable-legacy=on'
    const words72 = words(`-M q35 -global ${global} -device virtio-rng-pci-non-transitional`)
    expect(refusalOf(words72, '7.2')).toContain(
      `argument 5 (-device virtio-rng-pci-non-transitional): can't apply global ${global}: Property 'virtio-rng-pci-non-transitional.disable-legacy' not found`,
    )
    for (const [machine, refused] of [
      ['q35', true],
      ['pc', true],
      ['microvm', false],
    ] as const) {
      expect(refusalOf(words(`-M ${machine} -global ${global}`), '7.2')).toBe('nothing thrown')
      expect(refusalOf(words(`-M ${machine} -global ${global}`), '11.1')).toContain(
        refused
          ? `can't apply global ${global}: Property 'virtio-net-pci-non-transitional.disable-legacy' not found`
          : 'nothing thrown',
      )
    }
    expect(refusalOf(words('-M q35 -global virtio-pci.ats=on -global virtio-device.iommu_platform=on'), '11.1')).toBe(
      'nothing thrown',
    )
  })

  it('a versioned machine type keeps its defaults, below globals', () => {
    const bits = (line: string, version: QemuVersion = '11.1') =>
      parseLine(`${line} -device intel-iommu`, version).devices[0]!.properties['aw-bits']
    expect(bits('-M pc-q35-7.2')).toBe(39)
    expect(bits('-M pc-q35-9.2')).toBeUndefined()
    expect(bits('-M q35')).toBeUndefined()
    expect(bits('-M pc-q35-7.2 -global intel-iommu.aw-bits=48')).toBe(48)
    expect(bits('-M pc-q35-7.2', '7.2')).toBeUndefined()
    expect(parseLine('-M pc-q35-7.2').machineProperties.type).toBe('pc-q35-7.2')
  })

  it.each([
    ['pc-q35-4.0', '-device pcie-root-port', {}],
    ['pc-q35-3.1', '-device pcie-root-port', { 'disable-acs': true }],
    ['pc-q35-3.1', '-device ioh3420', {}],
    ['pc-q35-3.1', '-device intel-iommu', { 'dma-drain': false }],
    ['pc-q35-2.9', '-device intel-iommu', { 'dma-drain': false, pt: false }],
    ['pc-q35-2.7', '-device intel-iommu', { 'dma-drain': false, pt: false, 'x-buggy-eim': true }],
    ['pc-q35-2.10', '-device pci-bridge,chassis_nr=1', { chassis_nr: 1 }],
    ['pc-q35-2.9', '-device pci-bridge,chassis_nr=1', { chassis_nr: 1, shpc: false }],
    ['pc-q35-2.8', '-device pci-bridge,chassis_nr=1', { chassis_nr: 1, shpc: true }],
    ['pc-q35-7.1', '-device virtio-rng-pci', { queue_reset: false, vectors: 0 }],
    ['pc-q35-2.5', '-device virtio-rng-pci,disable-modern=off', { 'disable-legacy': 'off', 'disable-modern': false }],
    ['pc-q35-2.4', '-device virtio-rng-pci', { 'disable-modern': true, 'x-disable-pcie': true }],
    ['pc-q35-2.4', '-blockdev null-co,node-name=d -device virtio-blk-pci,drive=d', { scsi: true, discard: false }],
  ])('%s keeps for %s what QEMU changed since', (type, line, kept) => {
    const { properties } = parseLine(`-M ${type} ${line}`, '7.2').devices[0]!
    expect(properties).toMatchObject(kept)
    if (!line.includes('virtio')) expect(properties).toEqual(kept)
  })

  it('-set changes an option that stands before it', () => {
    const line = '-M q35 -device virtio-rng-pci,id=r -set device.r.iommu_platform=on'
    expect(parseLine(line).devices[0]!.properties).toEqual({ iommu_platform: true })
    expect(refusalOf(words('-set device.r.iommu_platform=on'))).toContain('there is no device "r" defined before')
  })

  const FILE = `# q35 with a disk
[machine]
  type = "q35"
  kernel-irqchip = "split"

[device]
  driver = "intel-iommu"

[drive "d0"]
  file = "disk,1.img"
  if = "none"

[device "blk0"]
  driver = "virtio-blk-pci"
  drive = "d0"
  addr = "03.0"

[rtc]
  base = "utc"
`
  const read = (content: string, args: readonly string[] = ['-readconfig', 'm.cfg']) =>
    parseQemuCommandLine(args, { qemuVersion: '11.1', readFile: () => content })

  it('a configuration file says the same as options, each device with its line', () => {
    const { machine, devices, machineProperties, ignored } = read(FILE)
    expect(machine).toBe('q35')
    expect(machineProperties).toEqual({ 'kernel-irqchip': 'split' })
    expect(devices.map(({ model, id, addr, location }) => [model, id, addr, location.text])).toEqual([
      ['intel-iommu', undefined, undefined, 'm.cfg:6 ([device])'],
      ['virtio-blk-pci', 'blk0', { device: 3, function: 0 }, 'm.cfg:13 ([device "blk0"])'],
    ])
    expect(ignored).toEqual(['m.cfg: [rtc]'])
  })

  it('its groups are those of the options', () => {
    const content = `[net]
  type = "nic"
  model = "virtio"
[net]
  type = "user"
[global]
  driver = "virtio-net-pci"
  property = "ats"
  value = "on"
[memory]
  size = "1G"
[smp-opts]
  cpus = "2"
[blockdev "n"]
  driver = "null-co"`
    const { devices, memory, cpus, machineProperties } = read(content)
    expect(devices).toMatchObject([{ model: 'virtio-net-pci', properties: { ats: true } }])
    expect([memory, cpus, machineProperties]).toEqual([1024 ** 3, 2, { defaultNic: false }])
  })

  it.each([
    ['[devise "x"]', "m.cfg:1 ([devise \"x\"]): There is no option group 'devise'; did you mean 'device'?"],
    ['driver = "edu"', 'm.cfg:1 (driver = "edu"): no group defined'],
    ['[device]\n???', 'm.cfg:2 (???): parse error'],
  ])('%j is refused with its line', (content, message) => {
    expect(() => read(content)).toThrow(message)
  })

  it('a file that cannot be read is named', () => {
    const fail = () => {
      throw new Error('no such file')
    }
    expect(() => parseQemuCommandLine(['-readconfig', 'm.cfg'], { qemuVersion: '11.1', readFile: fail })).toThrow(
      "argument 1 (-readconfig m.cfg): cannot read 'm.cfg': no such file",
    )
    expect(refusalOf(['-readconfig', 'm.cfg'])).toContain('QEMU_FILE')
  })
})
