import { createMachine, DmascopeError, type MachineDescription } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'

/** Splits at blanks; single quotes keep words together. */
const words = (line: string): string[] =>
  (line.match(/(?:[^\s']|'[^']*')+/g) ?? []).map((word) => word.replaceAll("'", ''))

const PROXMOX_CONFIGURATION = `[device "ehci"]
  driver = "ich9-usb-ehci1"
  multifunction = "on"
  bus = "pcie.0"
  addr = "1d.7"

[device "ich9-pcie-port-1"]
  driver = "pcie-root-port"
  x-speed = "16"
  x-width = "32"
  multifunction = "on"
  bus = "pcie.0"
  addr = "1c.0"
  port = "1"
  chassis = "1"

[device "pcidmi"]
  driver = "i82801b11-bridge"
  bus = "pcie.0"
  addr = "1e.0"

[device "pci.0"]
  driver = "pci-bridge"
  bus = "pcidmi"
  addr = "1.0"
  chassis_nr = "1"
`

const QEMU_CONFIGURATION = `# comment
[machine]
  type = "q35"

[memory]
  size = "1024"

[drive "disk"]
  file = "guest.qcow2"                          # yours here
  format = "qcow2"
  if = "none"

[device "sata-disk"]
  driver = "ide-hd"
  bus = "ide.0"
  drive = "disk"
  bootindex = "1"

[device "video"]   # any
  driver = "VGA"
  addr = "01.0"
`

const FILES: Readonly<Record<string, string>> = { 'pve.cfg': PROXMOX_CONFIGURATION, 'q35.cfg': QEMU_CONFIGURATION }

function build(line: string, qemuVersion: '7.2' | '11.1'): MachineDescription {
  const description = parseQemuCommandLine(words(line), { qemuVersion, readFile: (path) => FILES[path]! })
  createMachine(description).machine.dispose()
  return description
}

const modelsOf = ({ devices }: MachineDescription): string[] => devices.map(({ model }) => model)

/** Command lines as tools and people write them, by who does, and what is on PCI in them. */
const ACCEPTED: readonly (readonly [name: string, line: string, models: string])[] = [
  [
    'libvirt, q35 with a vIOMMU, ports and JSON',
    `LC_ALL=C PATH=/usr/local/sbin:/bin HOME=/var/lib/libvirt/qemu/domain-1-f /usr/bin/qemu-system-x86_64
     -name guest=f,debug-threads=on -S
     -object '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/master-key.aes"}'
     -blockdev '{"driver":"file","filename":"/usr/share/OVMF_CODE.fd","node-name":"libvirt-pflash0-storage","auto-read-only":true,"discard":"unmap"}'
     -blockdev '{"node-name":"libvirt-pflash0-format","read-only":true,"driver":"raw","file":"libvirt-pflash0-storage"}'
     -machine pc-q35-7.2,usb=off,vmport=off,kernel_irqchip=split,smm=on,dump-guest-core=off,memory-backend=pc.ram,pflash0=libvirt-pflash0-format,hpet=off,acpi=on
     -accel kvm -cpu host,migratable=on -global driver=cfi.pflash01,property=secure,value=on -m size=1048576k
     -object '{"qom-type":"memory-backend-memfd","id":"pc.ram","share":true,"x-use-canonical-path-for-ramblock-id":false,"size":1073741824}'
     -overcommit mem-lock=off -smp 4,sockets=4,dies=1,clusters=1,cores=1,threads=1 -no-user-config -nodefaults
     -chardev socket,id=charmonitor,fd=31,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control
     -rtc base=utc,driftfix=slew -global kvm-pit.lost_tick_policy=delay -no-shutdown -global ICH9-LPC.disable_s3=1
     -boot menu=off,strict=on
     -device '{"driver":"intel-iommu","id":"iommu0","intremap":"on","caching-mode":true,"eim":"on","device-iotlb":true}'
     -device '{"driver":"pcie-root-port","port":16,"chassis":1,"id":"pci.1","bus":"pcie.0","multifunction":true,"addr":"0x2"}'
     -device '{"driver":"pcie-root-port","port":17,"chassis":2,"id":"pci.2","bus":"pcie.0","addr":"0x2.0x1"}'
     -device '{"driver":"qemu-xhci","p2":15,"p3":15,"id":"usb","bus":"pci.2","addr":"0x0"}'
     -netdev '{"type":"tap","fd":"32","vhost":true,"vhostfd":"34","id":"hostnet0"}'
     -device '{"driver":"virtio-net-pci","iommu_platform":true,"ats":true,"netdev":"hostnet0","id":"net0","mac":"52:54:00:aa:bb:cc","bus":"pci.1","addr":"0x0"}'
     -chardev socket,id=chrtpm,path=/run/swtpm.sock -tpmdev emulator,id=tpm-tpm0,chardev=chrtpm
     -device '{"driver":"tpm-crb","tpmdev":"tpm-tpm0","id":"tpm0"}' -audiodev '{"id":"audio1","driver":"spice"}'
     -spice port=5900,addr=127.0.0.1,disable-ticketing=on,seamless-migration=on
     -device '{"driver":"usb-tablet","id":"input0","bus":"usb.0","port":"1"}' -watchdog-action reset
     -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny -msg timestamp=on`,
    'intel-iommu pcie-root-port pcie-root-port qemu-xhci virtio-net-pci',
  ],
  [
    'libvirt, pc with a smart card, sound and a video back end',
    `qemu-system-x86_64 -machine pc,usb=off,dump-guest-core=off,acpi=off -accel tcg -m size=219136k -nodefaults
     -device '{"driver":"piix3-usb-uhci","id":"usb","bus":"pci.0","addr":"0x1.0x2"}'
     -device '{"driver":"usb-ccid","id":"ccid0","bus":"usb.0","port":"1"}'
     -device '{"driver":"ccid-card-emulated","backend":"nss-emulated","id":"smartcard0","bus":"ccid0.0"}'
     -chardev socket,id=chr-vu-video0,fd=5
     -device '{"driver":"vhost-user-vga","id":"video0","max_outputs":1,"chardev":"chr-vu-video0","bus":"pci.0","addr":"0x2"}'
     -device '{"driver":"intel-hda","id":"sound0","bus":"pci.0","addr":"0x4"}'
     -device '{"driver":"hda-duplex","id":"sound0-codec0","bus":"sound0.0","cad":0}'`,
    'piix3-usb-uhci vhost-user-vga intel-hda',
  ],
  [
    'Proxmox VE, with a vIOMMU',
    `/usr/bin/kvm -id 8006 -name vm8006,debug-threads=on -no-shutdown
     -chardev socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect-ms=5000 -mon chardev=qmp-event,mode=control
     -pidfile /var/run/qemu-server/8006.pid -daemonize -smp 1,sockets=1,cores=1,maxcpus=1 -nodefaults
     -boot menu=on,strict=on,reboot-timeout=1000 -vnc unix:/var/run/qemu-server/8006.vnc,password=on
     -cpu kvm64,enforce,+kvm_pv_eoi,+sep -m 512 -global ICH9-LPC.disable_s3=1
     -device intel-iommu,intremap=on,caching-mode=on -readconfig pve.cfg
     -device usb-tablet,id=tablet,bus=ehci.0,port=1 -device VGA,id=vga,bus=pcie.0,addr=0x1
     -device virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x3,free-page-reporting=on
     -iscsi initiator-name=iqn.1993-08.org.debian:01:aabbccddeeff -machine type=q35+pve1,kernel-irqchip=split`,
    'intel-iommu ich9-usb-ehci1 pcie-root-port i82801b11-bridge pci-bridge VGA virtio-balloon-pci',
  ],
  [
    'kata-containers',
    `/opt/kata/bin/qemu-system-x86_64 -name sandbox-1,debug-threads=on -machine q35,accel=kvm,nvdimm=on -cpu host,pmu=off
     -qmp unix:fd=3,server=on,wait=off -m 2048M,slots=10,maxmem=64257M
     -device pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,mem-reserve=1m,pref64-reserve=1m
     -device virtio-serial-pci,disable-modern=false,id=serial0 -device virtconsole,chardev=charconsole0,id=console0
     -chardev socket,id=charconsole0,path=/run/vc/console.sock,server=on,wait=off
     -device nvdimm,id=nv0,memdev=mem0,unarmed=on
     -object memory-backend-file,id=mem0,mem-path=/opt/kata.image,size=268435456,readonly=on
     -device vhost-vsock-pci,disable-modern=false,vhostfd=4,id=vsock-1,guest-cid=4273743701
     -chardev socket,id=char-9,path=/run/vc/vhost-fs.sock
     -device vhost-user-fs-pci,chardev=char-9,tag=kataShared,queue-size=1024
     -netdev tap,id=network-0,vhost=on,vhostfds=5,fds=6
     -device driver=virtio-net-pci,netdev=network-0,mac=02:42:ac:11:00:02,disable-modern=false,mq=on,vectors=4
     -vga none -no-user-config -nodefaults -nographic --no-reboot
     -object memory-backend-file,id=dimm1,size=2048M,mem-path=/dev/shm,share=on -numa node,memdev=dimm1
     -kernel vmlinux -append 'console=hvc0 panic=1' -smp 1,cores=1,threads=1,sockets=8,maxcpus=8`,
    'pci-bridge virtio-serial-pci virtconsole vhost-vsock-pci vhost-user-fs-pci virtio-net-pci',
  ],
  [
    'virtio with a vIOMMU, ATS and vhost',
    `qemu-system-x86_64 -M q35,accel=kvm,kernel-irqchip=split -m 2G -device intel-iommu,intremap=on,device-iotlb=on
     -device ioh3420,id=pcie.1,chassis=1 -netdev tap,id=net0,vhost=on,vhostforce=on
     -device virtio-net-pci,bus=pcie.1,netdev=net0,disable-legacy=on,disable-modern=off,iommu_platform=on,ats=on`,
    'intel-iommu ioh3420 virtio-net-pci',
  ],
  [
    'a passed-through card below a port',
    `sudo qemu-system-x86_64 -machine q35,accel=kvm,kernel_irqchip=split -m 4G -device intel-iommu,intremap=on,caching-mode=on
     -device pcie-root-port,id=rp1,chassis=1,slot=1,bus=pcie.0
     -device vfio-pci,host=01:00.0,multifunction=on,x-vga=on,bus=rp1,addr=0x0.0,romfile=/vbios.rom
     -device vfio-pci,host=01:00.1,bus=rp1,addr=0x0.1`,
    'intel-iommu pcie-root-port vfio-pci vfio-pci',
  ],
  [
    'DPDK over vhost-user',
    `qemu-system-x86_64 -name vm1 -cpu host -enable-kvm -m 2048
     -object memory-backend-file,id=mem,size=2048M,mem-path=/dev/hugepages,share=on -numa node,memdev=mem -mem-prealloc
     -smp cores=4,sockets=1 -drive file=/root/vm1.img -chardev socket,id=char0,path=./vhost-net,server
     -netdev type=vhost-user,id=netdev0,chardev=char0,vhostforce,queues=2
     -device virtio-net-pci,netdev=netdev0,mac=52:54:00:00:00:01,mq=on,vectors=6,mrg_rxbuf=off,rx_queue_size=1024`,
    'virtio-net-pci',
  ],
  [
    'syzkaller',
    `qemu-system-x86_64 -m 2048 -smp 2,sockets=2,cores=1 -chardev socket,id=SOCKSYZ,server=on,wait=off,host=localhost,port=51727
     -mon chardev=SOCKSYZ,mode=control -display none -serial stdio -no-reboot -device virtio-rng-pci -enable-kvm
     -cpu host,migratable=off -device e1000,netdev=net0
     -netdev user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:10022-:22,hostfwd=tcp::17345-:6060
     -hda bullseye.img -snapshot -kernel bzImage -append 'root=/dev/sda console=ttyS0'`,
    'virtio-rng-pci e1000',
  ],
  [
    'the selftests of the Linux kernel',
    `qemu-system-x86_64 -nodefaults -display none -serial mon:stdio -cpu max -enable-kvm -smp 8 -m 4G
     -drive file=root.img,format=raw,index=1,media=disk,if=virtio,cache=none -kernel bzImage -append 'root=/dev/vda rw'`,
    'virtio-blk-pci',
  ],
  [
    'virtme-ng',
    `qemu-system-x86_64 -m 1G -fsdev local,id=virtfs5,path=/,security_model=none,readonly=on,multidevs=remap
     -device virtio-9p-pci,fsdev=virtfs5,mount_tag=/dev/root -machine accel=kvm:tcg -device i6300esb,id=watchdog0
     -cpu host -parallel none -net none -echr 1 -serial none -chardev file,path=/proc/self/fd/2,id=dmesg
     -device virtio-serial-pci -device virtconsole,chardev=dmesg -chardev stdio,id=console,signal=off,mux=on
     -serial chardev:console -mon chardev=console -vga none -display none -smp 8 -kernel bz`,
    'virtio-9p-pci i6300esb virtio-serial-pci virtconsole',
  ],
  [
    'a cloud image',
    `qemu-system-x86_64 -m 2048 -smp 2 -drive file=jammy.img,format=qcow2,if=virtio -cdrom seed.iso
     -nic user,model=virtio-net-pci,hostfwd=tcp::2222-:22 -nic tap,model=e1000e,ifname=tap0,script=no,downscript=no
     -nographic -enable-kvm -cpu host -boot d -virtfs local,path=/srv,mount_tag=srv,security_model=mapped-xattr`,
    'virtio-net-pci e1000e virtio-9p-pci virtio-blk-pci',
  ],
  [
    'OVMF with secure boot',
    `qemu-system-x86_64 -machine q35,smm=on,accel=kvm -global driver=cfi.pflash01,property=secure,value=on
     -drive if=pflash,format=raw,unit=0,file=OVMF_CODE.fd,readonly=on -drive if=pflash,format=raw,unit=1,file=OVMF_VARS.fd
     -m 2048 -debugcon file:debug.log -global isa-debugcon.iobase=0x402 -fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=65536
     -smbios type=0,vendor=X -net none`,
    '',
  ],
  ['a configuration file with remarks', 'qemu-system-x86_64 -nodefaults -readconfig q35.cfg', 'VGA'],
  [
    'NUMA with an expander',
    `qemu-system-x86_64 -machine q35 -m 4G -object memory-backend-ram,id=m0,size=2G -object memory-backend-ram,id=m1,size=2G
     -numa node,nodeid=0,memdev=m0 -numa node,nodeid=1,memdev=m1 -numa dist,src=0,dst=1,val=20
     -device pxb-pcie,id=pcie.1,bus_nr=2,bus=pcie.0,numa_node=1 -device pcie-root-port,id=rp1,bus=pcie.1,chassis=11
     -device virtio-net-pci,bus=rp1,netdev=n -netdev user,id=n`,
    'pxb-pcie pcie-root-port virtio-net-pci',
  ],
]

describe.each(['7.2', '11.1'] as const)('QEMU %s: a machine is made of the command line of', (version) => {
  it.each(ACCEPTED)('%s', (_name, line, models) => {
    expect(modelsOf(build(line, version)).join(' ')).toBe(models)
  })
})

/** What QEMU takes and a simulated machine is not made of: the message names the cause. */
const REFUSED: readonly (readonly [name: string, line: string, message: string])[] = [
  [
    'a guest encrypted by something else than AMD SEV',
    '-M q35,confidential-guest-support=tdx0 -object tdx-guest,id=tdx0',
    "argument 1 (-M q35,confidential-guest-support=tdx0): a guest of 'tdx-guest' on x86_64 is not modelled; sev-guest on x86_64, pef-guest on ppc64 and s390-pv-guest on s390x are",
  ],
  [
    'an encrypted guest without the object for it',
    '-M q35,confidential-guest-support=sev0',
    "argument 1 (-M q35,confidential-guest-support=sev0): Device 'sev0' not found; add -object sev-guest,id=sev0,...",
  ],
  [
    'CXL',
    '-M q35 -device pxb-cxl,bus_nr=12,id=cxl.1',
    "argument 3 (-device pxb-cxl,bus_nr=12,id=cxl.1): device 'pxb-cxl' of QEMU cannot be used here: CXL is not modelled; leave it out",
  ],
  [
    'a virtio device for virtio-mmio',
    '-M q35 -device virtio-rng-device',
    "argument 3 (-device virtio-rng-device): No 'virtio-bus' bus found for device 'virtio-rng-device'; on PCI it is 'virtio-rng-pci'",
  ],
  [
    'interrupt remapping with an I/O APIC in KVM, which is where it is unless told otherwise',
    '-enable-kvm -M q35 -device intel-iommu,intremap=on',
    "argument 4 (-device intel-iommu,intremap=on): Interrupt Remapping cannot work with kernel-irqchip=on, please use 'split|off'.",
  ],
  [
    'an address width that the unit has not',
    '-M q35 -device intel-iommu,aw-bits=57',
    'argument 3 (-device intel-iommu,aw-bits=57): intel-iommu: Legacy mode: supported values for aw-bits are: 39, 48; got 57',
  ],
  [
    'first-stage tables without scalable mode',
    '-M q35 -device intel-iommu,fsts=on',
    'argument 3 (-device intel-iommu,fsts=on): intel-iommu: fsts is only available in scalable mode',
  ],
  [
    'first-stage tables of 39 bits',
    '-M q35 -device intel-iommu,scalable-mode=on,fsts=on,aw-bits=39',
    'argument 3 (-device intel-iommu,scalable-mode=on,fsts=on,aw-bits=39): intel-iommu: Scalable mode(fsts=on): supported value for aw-bits is: 48; got 39',
  ],
  [
    'wide interrupt destinations without remapping',
    '-M q35 -device intel-iommu,intremap=off,eim=on',
    'argument 3 (-device intel-iommu,intremap=off,eim=on): intel-iommu: eim=on cannot be selected without intremap=on',
  ],
  ['isapc', '-M isapc', "argument 1 (-M isapc): machine 'isapc' is not modelled; modelled are q35, pc and microvm"],
]

describe('confidential guests', () => {
  it.each([
    '-M q35,confidential-guest-support=sev0 -object sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=1',
    '-M q35,memory-encryption=sev0 -object sev-guest,id=sev0,cbitpos=47,reduced-phys-bits=5,policy=0x1',
  ])('%s is one of AMD SEV', (line) => {
    expect(build(line, '11.1').machineProperties).toEqual({ confidential: 'sev' })
  })
})

describe('-machine with parts', () => {
  it('smp. and memory. say what -smp and -m do', () => {
    const { cpus, memory } = build('-machine q35,smp.cpus=4,smp.sockets=1,memory.size=2G -nodefaults', '11.1')
    expect({ cpus, memory }).toEqual({ cpus: 4, memory: 2 * 1024 ** 3 })
    expect(build('-machine q35,memory.size=268435456', '11.1').memory).toBe(256 * 1024 ** 2)
  })
})

describe('refused, with the cause, is', () => {
  it('eim=on under QEMU 7.2, but with KVM and a split I/O APIC', () => {
    expect(() => build('-M q35,kernel-irqchip=split -device intel-iommu,eim=on', '7.2')).toThrow(
      'argument 3 (-device intel-iommu,eim=on): eim=on requires accel=kvm,kernel-irqchip=split',
    )
    build('-M q35,kernel-irqchip=split,accel=kvm -device intel-iommu,eim=on', '7.2')
    build('-M q35,kernel-irqchip=split -device intel-iommu,eim=on', '11.1')
  })

  it.each(REFUSED)('%s', (_name, line, message) => {
    let refusal: unknown
    try {
      build(line, '11.1')
    } catch (error) {
      refusal = error
    }
    expect(refusal).toBeInstanceOf(DmascopeError)
    expect((refusal as DmascopeError).message).toBe(message)
  })
})
