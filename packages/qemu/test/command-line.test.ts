import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { IGNORED_OPTIONS, parseQemuCommandLine } from '../src/index.ts'
import { parseLine, words } from './parse-line.ts'

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
    const { machine, memory, cpus, defaultDevices, machineProperties } = parseLine('qemu-system-x86_64')
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
    expect(parseLine(line).memory).toBe(bytes)
  })

  it.each([
    ['-smp 4', 4],
    ['-smp cores=2,threads=2,sockets=3', 12],
    ['-smp 2,maxcpus=8', 2],
  ])('%s is so many processors', (line, cpus) => {
    expect(parseLine(line).cpus).toBe(cpus)
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
    expect(parseLine('-vga none').machineProperties).toEqual({ vga: 'none' })
    expect(parseLine('-nic none').machineProperties).toEqual({ defaultNic: false })
    expect(parseLine('-net none').machineProperties).toEqual({ defaultNic: false })
    expect(parseLine('-netdev user,id=n').machineProperties).toEqual({ defaultNic: false })
    expect(parseLine('-device qxl-vga').machineProperties).toEqual({ vga: 'none' })
    expect(parseLine('-device bochs-display').machineProperties).toEqual({})
    expect(parseLine('-usb -device usb-tablet').machineProperties).toEqual({ usb: true })
  })

  it("gives a card of -nic the machine's own model", () => {
    expect(parseLine('-M q35 -nic user').devices[0]!.model).toBe('e1000e')
    expect(parseLine('-M pc -net nic -net user').devices[0]!.model).toBe('e1000')
  })

  it('knows who does the work behind a virtio device', () => {
    const where = (line: string) => parseLine(`-M q35 ${line}`).devices[0]!.backend
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
    expect(parseLine(line).ignored).toEqual([
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
    expect(devices[3]!.properties).toEqual({
      intremap: 'on',
      'caching-mode': true,
      'aw-bits': 39,
      'stale-tm': true,
    })
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
