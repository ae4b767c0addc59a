import { readFileSync } from 'node:fs'
import { DmascopeError, type QemuVersion } from '@dmascope/machine'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IGNORED_OPTIONS, parseQemuCommandLine } from '../src/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

/** Splits at blanks, as a shell does where nothing is quoted. */
const words = (line: string): string[] => line.trim().split(/\s+/)

const parse = (line: string, qemuVersion: QemuVersion = '11.1') => parseQemuCommandLine(words(line), { qemuVersion })

const refusalOf = (args: readonly string[], qemuVersion: QemuVersion = '11.1'): string => {
  try {
    parseQemuCommandLine(args, { qemuVersion })
  } catch (error) {
    if (error instanceof DmascopeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'nothing thrown'
}

describe('a command line', () => {
  it('becomes a description: devices in order, backends resolved, each with its argument', () => {
    const machine = parseQemuCommandLine(
      [
        ...words(`/usr/bin/qemu-system-x86_64 -machine q35,kernel-irqchip=split -accel tcg -nodefaults -m 512
          -device intel-iommu,intremap=on
          -drive file=@DISK0@,if=none,id=d0,format=raw
          -device virtio-blk-pci,id=blk0,drive=d0,addr=0x2,disable-legacy=on,iommu_platform=on
          -netdev user,id=n0,restrict=on -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:00,addr=1f.7
          -object rng-random,id=r0,filename=/dev/urandom --device virtio-rng,rng=r0
          -display none -no-reboot -append`),
        'console=ttyS0 intel_iommu=on',
      ],
      { qemuVersion: '11.1' },
    )
    expect(machine).toEqual({
      machine: 'q35',
      qemuVersion: '11.1',
      name: 'q35',
      source: 'qemu',
      memory: 512 * 1024 * 1024,
      cpus: 1,
      defaultDevices: false,
      machineProperties: { 'kernel-irqchip': 'split', accel: 'tcg', defaultNic: false },
      append: 'console=ttyS0 intel_iommu=on',
      ignored: ['-display none', '-no-reboot'],
      devices: [
        {
          model: 'intel-iommu',
          properties: { intremap: 'on' },
          location: { text: 'argument 8 (-device intel-iommu,intremap=on)' },
        },
        {
          model: 'virtio-blk-pci',
          id: 'blk0',
          addr: { device: 2, function: 0 },
          properties: { drive: 'd0', 'disable-legacy': 'on', iommu_platform: true },
          backend: { kind: 'disk', where: 'qemu', size: 8 * 1024 * 1024, readOnly: false },
          location: {
            text: 'argument 12 (-device virtio-blk-pci,id=blk0,drive=d0,addr=0x2,disable-legacy=on,iommu_platform=on)',
          },
        },
        {
          model: 'virtio-net-pci',
          addr: { device: 31, function: 7 },
          properties: { netdev: 'n0', mac: '52:54:00:12:34:00' },
          backend: { kind: 'network', where: 'qemu' },
          location: { text: 'argument 16 (-device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:00,addr=1f.7)' },
        },
        {
          model: 'virtio-rng-pci',
          properties: { rng: 'r0' },
          backend: { kind: 'random', where: 'qemu' },
          location: { text: 'argument 20 (--device virtio-rng,rng=r0)' },
        },
      ],
    })
  })

  it('without options is a pc with 128 MiB and the default devices', () => {
    const { machine, memory, cpus, defaultDevices, machineProperties } = parse('qemu-system-x86_64')
    expect({ machine, memory, cpus, defaultDevices, machineProperties }).toEqual({
      machine: 'pc',
      memory: 134_217_728,
      cpus: 1,
      defaultDevices: true,
      machineProperties: {},
    })
  })

  it.each([
    ['-m 1G', 1024 ** 3],
    ['-m size=2048,slots=2,maxmem=8G', 2 * 1024 ** 3],
    ['-m 0', 128 * 1024 ** 2],
    ['-m 1.5G', 1.5 * 1024 ** 3],
    ['-object memory-backend-ram,id=m,size=3G -machine pc,memory-backend=m', 3 * 1024 ** 3],
  ])('%s is so many bytes', (line, bytes) => {
    expect(parse(line).memory).toBe(bytes)
  })

  it.each([
    ['-smp 4', 4],
    ['-smp cores=2,threads=2,sockets=3', 12],
    ['-smp 2,maxcpus=8', 2],
  ])('%s is so many processors', (line, cpus) => {
    expect(parse(line).cpus).toBe(cpus)
  })

  it("creates devices in QEMU's order: -vga, -nic, -device, then if=virtio, then JSON", () => {
    const line = `-M q35 -drive if=virtio,file=a -nic user,model=virtio -vga cirrus -device edu,id=e`
    const { devices, machineProperties } = parseQemuCommandLine(
      [...words('-device'), '{"driver":"pcnet","id":"j","addr":"05.1"}', ...words(line)],
      { qemuVersion: '11.1' },
    )
    expect(devices.map(({ model }) => model)).toEqual([
      'cirrus-vga',
      'virtio-net-pci',
      'edu',
      'virtio-blk-pci',
      'pcnet',
    ])
    expect(devices[4]!.addr).toEqual({ device: 5, function: 1 })
    expect(machineProperties).toEqual({ vga: 'none', defaultNic: false })
  })

  it('says which default devices there are not', () => {
    expect(parse('-vga none').machineProperties).toEqual({ vga: 'none' })
    expect(parse('-nic none').machineProperties).toEqual({ defaultNic: false })
    expect(parse('-net none').machineProperties).toEqual({ defaultNic: false })
    expect(parse('-netdev user,id=n').machineProperties).toEqual({ defaultNic: false })
    expect(parse('-device qxl-vga').machineProperties).toEqual({ vga: 'none' })
    expect(parse('-device bochs-display').machineProperties).toEqual({})
    expect(parse('-usb -device usb-tablet').machineProperties).toEqual({ usb: true })
  })

  it("gives a card of -nic the machine's own model", () => {
    expect(parse('-M q35 -nic user').devices[0]!.model).toBe('e1000e')
    expect(parse('-M pc -net nic -net user').devices[0]!.model).toBe('e1000')
  })

  it('knows who does the work behind a virtio device', () => {
    const where = (line: string) => parse(`-M q35 ${line}`).devices[0]!.backend
    expect(where('-netdev tap,id=n,vhost=on -device virtio-net,netdev=n')).toEqual({ kind: 'network', where: 'vhost' })
    expect(where('-netdev tap,id=n,vhost=on -device e1000e,netdev=n')).toEqual({ kind: 'network', where: 'qemu' })
    expect(where('-nic tap,vhost=on,model=virtio-net-pci')).toEqual({ kind: 'network', where: 'vhost' })
    const socket = '-chardev socket,id=c,path=/s'
    expect(where(`${socket} -netdev vhost-user,id=n,chardev=c -device virtio-net,netdev=n`)).toMatchObject({
      where: 'vhost-user',
    })
    expect(where(`${socket} -device vhost-user-blk-pci,chardev=c`)).toMatchObject({ kind: 'disk', where: 'vhost-user' })
    expect(where('-device vfio-pci,host=01:00.0')).toEqual({ kind: 'vfio', where: 'vhost' })
    expect(where('-device vhost-vsock-pci,guest-cid=3')).toMatchObject({ where: 'vhost' })
  })

  it('knows the size of a disk where an option states it', () => {
    const disk = (args: string[]) => parseQemuCommandLine(args, { qemuVersion: '11.1' }).devices[0]!.backend
    const device = ['-device', 'virtio-blk-pci,drive=d']
    expect(disk(['-drive', 'driver=null-co,size=64M,if=none,id=d', ...device])?.size).toBe(64 * 1024 ** 2)
    expect(disk(['-blockdev', 'null-co,node-name=d', ...device])?.size).toBe(1024 ** 3)
    const json = '{"driver":"raw","node-name":"d","read-only":true,"file":{"driver":"null-co","size":1048577}}'
    expect(disk(['-blockdev', json, ...device])).toEqual({ kind: 'disk', where: 'qemu', size: 1049088, readOnly: true })
    const nested = [
      '-blockdev',
      'driver=file,filename=x,,y,node-name=f',
      '-blockdev',
      'driver=qcow2,file=f,node-name=d',
    ]
    expect(disk([...nested, ...device])?.size).toBe(8 * 1024 ** 2)
    expect(disk(['-drive', 'file=x,media=cdrom,if=none,id=d', ...device])?.readOnly).toBe(true)
  })

  it('lists what has no bearing as it was written: options, devices that are not PCI, unused disks', () => {
    const line = `-M q35,vmport=off -cpu host -boot order=c disk.img -device qemu-xhci,id=x -device usb-kbd,bus=x.0
      -global ICH9-LPC.disable_s3=1 -kernel vmlinuz -serial mon:stdio -drive if=none,id=u,file=f`
    expect(parse(line).ignored).toEqual([
      '-cpu host',
      '-boot order=c',
      '-kernel vmlinuz',
      '-serial mon:stdio',
      '-global ICH9-LPC.disable_s3=1',
      '-device usb-kbd,bus=x.0',
      'disk.img',
      '-drive if=none,id=u,file=f',
    ])
  })

  it('takes what libvirt writes: JSON throughout, hexadecimal addresses, a memory back end', () => {
    const args = [
      ...words('/usr/bin/qemu-system-x86_64 -name guest=vm1,debug-threads=on -S'),
      ...words('-machine pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram,hpet=off,acpi=on -accel kvm'),
      ...['-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":4294967296}', '-m', 'size=4194304k'],
      ...words('-smp 4,sockets=4,cores=1,threads=1 -no-user-config -nodefaults -rtc base=utc,driftfix=slew'),
      ...words('-chardev socket,id=charmonitor,fd=30,server=on,wait=off -mon chardev=charmonitor,id=m,mode=control'),
      ...words('-global kvm-pit.lost_tick_policy=delay -global ICH9-LPC.disable_s3=1 -boot strict=on'),
      ...['-device', '{"driver":"pcie-root-port","port":16,"chassis":1,"id":"pci.1","bus":"pcie.0","addr":"0x2"}'],
      ...['-device', '{"driver":"virtio-scsi-pci","id":"scsi0","bus":"pci.1","addr":"0x0"}'],
      ...['-blockdev', '{"driver":"file","filename":"/v.qcow2","node-name":"s1","auto-read-only":true}'],
      ...['-blockdev', '{"node-name":"f1","read-only":false,"driver":"qcow2","file":"s1","backing":null}'],
      ...['-device', '{"driver":"scsi-hd","bus":"scsi0.0","scsi-id":0,"lun":0,"drive":"f1","id":"d","bootindex":1}'],
      ...['-netdev', '{"type":"tap","fd":"31","vhost":true,"vhostfd":"33","id":"hostnet0"}'],
      ...['-device', '{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","bus":"pcie.0","addr":"0x3.0x1"}'],
      ...['-device', '{"driver":"intel-iommu","id":"iommu0","intremap":"on","caching-mode":true}'],
    ]
    const { devices, memory, cpus, machineProperties, ignored } = parseQemuCommandLine(args, { qemuVersion: '11.1' })
    expect([memory, cpus]).toEqual([4294967296, 4])
    expect(machineProperties).toEqual({
      type: 'pc-q35-7.2',
      accel: 'kvm',
      acpi: 'on',
      hpet: false,
      usb: false,
      defaultNic: false,
    })
    expect(devices.map(({ model, bus, addr }) => [model, bus, addr])).toEqual([
      ['pcie-root-port', 'pcie.0', { device: 2, function: 0 }],
      ['virtio-scsi-pci', 'pci.1', { device: 0, function: 0 }],
      ['virtio-net-pci', 'pcie.0', { device: 3, function: 1 }],
      ['intel-iommu', undefined, undefined],
    ])
    expect(devices[2]!.backend).toEqual({ kind: 'network', where: 'vhost' })
    // What pc-q35-7.2 keeps of QEMU 7.2.
    expect(devices[3]!.properties).toEqual({ intremap: 'on', 'caching-mode': true, 'aw-bits': 39 })
    expect(ignored).toContain(
      '-device {"driver":"scsi-hd","bus":"scsi0.0","scsi-id":0,"lun":0,"drive":"f1","id":"d","bootindex":1}',
    )
  })

  it('every option that is documented as ignored is', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const documented = readme.split('<!-- ignored options -->')[1]!.split('## ')[0]!
    expect([...documented.matchAll(/`-([\w-]+)`/g)].map((match) => match[1]).sort()).toEqual([...IGNORED_OPTIONS])
    for (const option of IGNORED_OPTIONS) {
      const { ignored, devices } = parseQemuCommandLine([`-${option}`, 'x'], {
        qemuVersion: '11.1',
      })
      expect([`-${option} x`, `-${option}`], option).toContain(ignored[0])
      expect(devices, option).toEqual([])
    }
  })
})

describe('-global, -set and -readconfig', () => {
  it('a global gives a default to every device of its type, below what the device says itself', () => {
    const { devices } = parse(`-M q35 -global virtio-device.iommu_platform=on -global virtio-pci.disable-legacy=on
      -global driver=e1000e,property=init-vet,value=off
      -device virtio-rng-pci -device virtio-rng-pci,iommu_platform=off -device e1000e -device edu`)
    expect(devices.map(({ properties }) => properties)).toEqual([
      { iommu_platform: true, 'disable-legacy': 'on' },
      { iommu_platform: false, 'disable-legacy': 'on' },
      { 'init-vet': false },
      {},
    ])
  })

  it('a versioned machine type keeps its defaults, below globals', () => {
    const bits = (line: string, version: QemuVersion = '11.1') =>
      parse(`${line} -device intel-iommu`, version).devices[0]!.properties['aw-bits']
    expect(bits('-M pc-q35-7.2')).toBe(39)
    expect(bits('-M pc-q35-9.2')).toBeUndefined()
    expect(bits('-M q35')).toBeUndefined()
    expect(bits('-M pc-q35-7.2 -global intel-iommu.aw-bits=48')).toBe(48)
    expect(bits('-M pc-q35-7.2', '7.2')).toBeUndefined()
    expect(parse('-M pc-q35-7.2').machineProperties.type).toBe('pc-q35-7.2')
  })

  it('-set changes an option that stands before it', () => {
    const line = '-M q35 -device virtio-rng-pci,id=r -set device.r.iommu_platform=on'
    expect(parse(line).devices[0]!.properties).toEqual({ iommu_platform: true })
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

describe('what QEMU refuses, in its words or like them', () => {
  it.each([
    ['-foo', 'QEMU_UNKNOWN_OPTION argument 1 (-foo): invalid option'],
    ['-devise edu', "QEMU_UNKNOWN_OPTION argument 1 (-devise): invalid option; did you mean 'device'?"],
    ['-M q35 -device', 'QEMU_MISSING_ARGUMENT argument 3 (-device): requires an argument'],
    ['-M q53', "QEMU_MACHINE argument 1 (-M q53): unsupported machine type 'q53'; did you mean 'q35'?"],
    [
      '-M isapc',
      "QEMU_MACHINE argument 1 (-M isapc): machine 'isapc' is not modelled; modelled are q35, pc and microvm",
    ],
    ['-M pc-q35-4.2', "QEMU_MACHINE argument 1 (-M pc-q35-4.2): unsupported machine type 'pc-q35-4.2'"],
    ['-M q35,kernel_irqchips=split', "Property 'kernel_irqchips' not found; did you mean 'kernel-irqchip'?"],
    [
      '-M q35,kernel-irqchip=maybe',
      "machine property 'kernel-irqchip' does not accept 'maybe'; it takes 'on', 'off', 'split'",
    ],
    ['-M q35,split', "QEMU_SYNTAX argument 1 (-M q35,split): Expected '=' after parameter 'split'"],
    ['-M q35,iommu=on', "Property 'iommu' not found; write -device intel-iommu instead"],
    ['-M q35 -device virtio-blk', 'QEMU_MISSING_PROPERTY argument 3 (-device virtio-blk): drive property not set'],
    ['-M q35 -device virtio-blk,drive=d', "Property 'virtio-blk-pci.drive' can't find value 'd'"],
    ['-device e1000,netdev=n0 -netdev user,id=n1', "Property 'e1000.netdev' can't find value 'n0'; did you mean 'n1'?"],
    ['-device virtio-rng-pci,rng=r', "argument 1 (-device virtio-rng-pci,rng=r): Device 'r' not found"],
    ['-device virtio-blk-pcii', "'virtio-blk-pcii' is not a valid device model name; did you mean 'virtio-blk-pci'?"],
    ['-device edu,iommu_platform=on', "property 'edu.iommu_platform' not found"],
    ['-device virtio-rng-pci,packed=2', "property 'virtio-rng-pci.packed' does not accept '2'; it takes 'on' or 'off'"],
    ['-device edu,addr=20', "Property 'edu.addr' doesn't take value '20'"],
    ['-device edu,id=1a', "QEMU_ID argument 1 (-device edu,id=1a): Parameter 'id' expects an identifier, got '1a'"],
    [
      '-device edu,id=a -device edu,id=a',
      "QEMU_DUPLICATE_ID argument 3 (-device edu,id=a): Duplicate ID 'a' for device",
    ],
    ['-netdev user,id=n -netdev user,id=n', "Duplicate ID 'n' for netdev"],
    ['-netdev user', "Parameter 'id' is missing"],
    ['-netdev usr,id=n', "Parameter 'type' does not accept value 'usr'; did you mean 'user'?"],
    ['-netdev user,id=n,hostfwdd=x', "Invalid parameter 'hostfwdd'; did you mean 'hostfwd'?"],
    ['-netdev vhost-user,id=n,chardev=c', 'chardev "c" not found'],
    ['-object rng-randm,id=r', "does not accept value 'rng-randm'; did you mean 'rng-random'?"],
    ['-object rng-random', "Parameter 'id' is missing"],
    ['-drive file=x,if=none,id=d,formt=raw', "-drive does not support the option 'formt'; did you mean 'format'?"],
    ['-drive if=scsi,file=x', 'machine type does not support if=scsi,bus=0,unit=0'],
    ['-hda a -hda b', 'drive with index=0 exists; it stands first at argument 1 (-hda a)'],
    ['-blockdev driver=raw,file=f,node-name=n', "node-name='f'"],
    ['-blockdev driver=rwa,node-name=n', "Unknown driver 'rwa'; did you mean 'raw'?"],
    ['-m 12Q', "Parameter 'size' expects a size"],
    ['-m 2G -object memory-backend-ram,id=m,size=1G -M pc,memory-backend=m', 'Machine memory size does not match'],
    ['-smp 300 -M pc', "Invalid SMP CPUs 300. The max CPUs supported by machine 'pc' is 255"],
    ['-smp corse=2', "Invalid parameter 'corse'; did you mean 'cores'?"],
    ['-vga nice', 'unknown vga type: nice'],
    ['-accel kvmm', "invalid accelerator kvmm; did you mean 'kvm'?"],
    ['-global virtio-blk-pcc.ats=on', "has invalid class name; did you mean 'virtio-blk-pci'?"],
    ['-global virtio-blk-pci.atss=on', "Property 'virtio-blk-pci.atss' not found; did you mean 'ats'?"],
    ['-M pc -device intel-iommu', "Parameter 'driver' expects a dynamic sysbus device type for the machine"],
    ['-M q35 -device intel-iommu,bus=pcie.0', "Device 'intel-iommu' can't go on a PCI bus"],
    ['-device usb-kbd', "No 'usb-bus' bus found for device 'usb-kbd'"],
    ['-drive if=none,id=d,file=x -device scsi-hd,drive=d', "No 'SCSI' bus found for device 'scsi-hd'"],
    ['-usb -device usb-kbd,bus=nope.0', "Bus 'nope.0' not found"],
    ['-device vfio-pci', 'No provided host device'],
    ['-device nvme', 'serial property not set'],
    ['-M q35 -device pcie-root-port -device pcie-root-port', "Can't add chassis slot, error -16"],
    ['-acpitable file=x', 'QEMU_OPTION_REFUSED argument 1 (-acpitable): adds ACPI tables of your own'],
    ['-version', 'QEMU_OPTION_REFUSED argument 1 (-version): prints something and exits'],
    ['qemu-system-riscv64 -M virt', 'QEMU_ARCHITECTURE qemu-system-riscv64: machines of riscv64 are not modelled yet'],
  ])('%s', (line, message) => {
    expect(refusalOf(words(line))).toContain(message)
  })

  it('a backend that two devices take', () => {
    const disk = '-drive if=none,id=d,file=x'
    expect(refusalOf(words(`${disk} -device virtio-blk,drive=d -device virtio-blk,drive=d`))).toContain(
      "Drive 'd' is already in use by another device",
    )
    expect(refusalOf(words('-drive id=d,file=x -device virtio-blk,drive=d'))).toContain(
      'automatically connected to another device; write if=none',
    )
    const net = '-netdev user,id=n -device e1000,netdev=n'
    expect(refusalOf(words(`${net} -device e1000,netdev=n`))).toContain("can't take value 'n', it's in use")
    const node = '-blockdev null-co,node-name=d'
    const twice = (share: string) => `${node} -device virtio-blk,drive=d${share} -device virtio-blk,drive=d${share}`
    expect(refusalOf(words(twice('')))).toContain('write share-rw=on at both')
    expect(refusalOf(words(twice(',share-rw=on')))).toBe('nothing thrown')
  })

  it('what only another release has', () => {
    expect(refusalOf(words('-M q35 -device igb'), '7.2')).toContain("QEMU 7.2 has no device 'igb'; QEMU 11.1 has")
    expect(refusalOf(words('-M q35 -device intel-iommu,fsts=on'), '7.2')).toContain('not found in QEMU 7.2')
    expect(refusalOf(words('-M pc-q35-11.1'), '7.2')).toContain('QEMU_MACHINE')
  })

  it('malformed JSON', () => {
    expect(refusalOf(['-device', '{"driver":'])).toContain('QEMU_SYNTAX argument 1 (-device {"driver":): invalid JSON')
    expect(refusalOf(['-device', '{"driver":"edu","dma_mask":{"a":1}}'])).toContain("'edu.dma_mask.a' not found")
  })

  it('a QEMU release that is not modelled is the caller’s mistake', () => {
    expect(() => parseQemuCommandLine([], { qemuVersion: '8.0' as QemuVersion })).toThrow(RangeError)
  })
})

describe('properties', () => {
  const option = fc.constantFrom(
    ...words(`-machine -M -device -drive -blockdev -netdev -nic -net -object -chardev -m -smp -cpu -accel -global -set -hda
      -cdrom -vga -fsdev -virtfs -append -nodefaults -usb -display -readconfig -x --device`),
  )
  const key = fc.constantFrom(
    ...words(`id driver type drive file if addr bus size node-name netdev chardev index format media iommu_platform
      romfile chassis kernel-irqchip memory-backend mount_tag vhost cores __proto__ toString constructor`),
  )
  const word = fc.constantFrom(
    ...words(`q35 pc pc-q35-7.2 virtio-blk virtio-net-pci edu e1000e intel-iommu usb-kbd scsi-hd nvme pcie-root-port none
      virtio user tap raw null-co socket local rng-random memory-backend-ram d0 n0 a on off 1G 04.0 0x1f.7 -1 __proto__`),
  )
  const value = fc.oneof(word, fc.string({ maxLength: 6 }))
  const pair = fc.oneof(
    value,
    fc.tuple(key, value).map(([name, given]) => `${name}=${given}`),
  )
  const argument = fc.oneof(
    { weight: 8, arbitrary: fc.array(pair, { maxLength: 5 }).map((pairs) => pairs.join(',')) },
    { weight: 1, arbitrary: fc.dictionary(key, value, { maxKeys: 4 }).map((json) => JSON.stringify(json)) },
  )
  const part = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(option, argument).map((both) => [...both]) },
    { weight: 1, arbitrary: argument.map((one) => [one]) },
    { weight: 1, arbitrary: option.map((one) => [one]) },
  )
  const commandLine = fc.array(part, { maxLength: 6 }).map((parts) => parts.flat())
  const readFile = () => '[device "d0"]\ndriver = "edu"\n'

  it('no command line makes it throw anything but a DmascopeError that names the place', () => {
    fc.assert(
      fc.property(commandLine, fc.constantFrom<QemuVersion>('7.2', '11.1'), (args, qemuVersion) => {
        try {
          const { machine, memory, cpus, devices } = parseQemuCommandLine(args, { qemuVersion, readFile })
          expect(['q35', 'pc']).toContain(machine)
          expect(Number.isSafeInteger(memory) && memory > 0 && cpus > 0).toBe(true)
          for (const { location } of devices) expect(location.text).not.toBe('')
        } catch (error) {
          expect(error).toBeInstanceOf(DmascopeError)
          expect((error as DmascopeError).message).toMatch(/^(argument \d+ \(|.*:\d+ \(\[)/s)
        }
      }),
      RUNS,
    )
  })

  it('nor does a sound one with a few letters changed', () => {
    const sound = words(`-machine q35,kernel-irqchip=split -accel kvm -m 2G,slots=2 -smp 4,cores=2 -usb -device usb-kbd
      -device intel-iommu,intremap=on,caching-mode=on -drive file=x,if=none,id=d0,format=raw,size=4M
      -device pcie-root-port,id=rp0,chassis=1,addr=0x2 -device virtio-blk-pci,bus=rp0,drive=d0,iommu_platform=on
      -blockdev null-co,node-name=d1,size=64M -device nvme,drive=d1,serial=s,addr=3.1,multifunction=on
      -netdev tap,id=n0,vhost=on -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:00 -nic user,model=e1000e
      -object rng-random,id=r0,filename=/dev/random -device virtio-rng-pci,rng=r0 -global virtio-device.packed=on
      -chardev socket,id=c0,path=/s -device vhost-user-blk-pci,chardev=c0 -display none -set device.rp0.slot=4`)
    expect(parseQemuCommandLine(sound, { qemuVersion: '11.1' }).devices).toHaveLength(8)
    const change = fc.record({
      at: fc.nat(sound.length - 1),
      from: fc.nat(60),
      cut: fc.nat(4),
      put: fc.oneof(fc.string({ maxLength: 2 }), fc.constantFrom(',', ',,', '=', ',id=d0', '{', '.', '0x', 'on')),
    })
    let read = 0
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), fc.nat(sound.length), (changes, keep) => {
        const args = [...sound]
        for (const { at, from, cut, put } of changes) {
          args[at] = args[at]!.slice(0, from) + put + args[at]!.slice(from + cut)
        }
        // Half of them whole, half without one argument.
        if (keep % 2 === 0) args.splice(keep, 1)
        try {
          parseQemuCommandLine(args, { qemuVersion: '11.1' })
          read++
        } catch (error) {
          expect(error).toBeInstanceOf(DmascopeError)
          expect((error as DmascopeError).message).toMatch(/^argument \d+ \(/)
        }
      }),
      RUNS,
    )
    expect(read).toBeGreaterThan(0)
  })

  it('a comma in a value survives, doubled', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 12 }), (name) => {
        const { devices } = parseQemuCommandLine(['-device', `edu,romfile=${name.replaceAll(',', ',,')}`], {
          qemuVersion: '11.1',
        })
        expect(devices[0]!.properties.romfile).toBe(name)
      }),
      RUNS,
    )
  })

  it('a command line and the same in JSON are one machine', () => {
    const properties = fc.record(
      { iommu_platform: fc.boolean(), ats: fc.boolean(), packed: fc.boolean(), vectors: fc.nat(64) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(properties, fc.nat(31), (given, slot) => {
        const text = Object.entries(given).map(
          ([name, one]) => `,${name}=${one === true ? 'on' : one === false ? 'off' : one}`,
        )
        const addr = slot.toString(16)
        const keyed = parse(`-M q35 -device virtio-rng-pci,id=r,addr=${addr}${text.join('')}`).devices[0]!
        const json = { driver: 'virtio-rng-pci', id: 'r', addr, ...given }
        const object = parseQemuCommandLine(['-M', 'q35', '-device', JSON.stringify(json)], { qemuVersion: '11.1' })
        expect({ ...object.devices[0]!, location: null }).toEqual({ ...keyed, location: null })
      }),
      RUNS,
    )
  })
})
