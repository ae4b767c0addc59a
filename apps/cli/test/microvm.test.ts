import { parseQemuCommandLine } from '@dmascope/qemu'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

function outcome(line: string, guest = 'linux-6.12'): { devices: string[]; unseen: string[] } {
  const words = `-nodefaults ${line} -drive file=a,if=none,id=d0 -device virtio-blk-device,drive=d0 -device virtio-rng-device`
  const description = parseQemuCommandLine(words.split(/\s+/), { qemuVersion: '11.1' })
  const { report } = runBoot({ description, guest })
  return {
    devices: report.devices.map(
      ({ id, kind, interrupt, status, verdict }) => `${id} ${kind} ${interrupt.mode} ${status} ${verdict}`,
    ),
    unseen: report.unseen.map(({ id }) => id),
  }
}

const works = (id: string, kind: string): string => `${id} ${kind} wire passthrough works`

describe('a microvm', () => {
  it.each(['-M microvm', '-M microvm,ioapic2=off', '-M microvm -global virtio-mmio.force-legacy=false'])(
    '%s: the kernel finds its transports in the DSDT, and their interrupts at the I/O APICs',
    (line) => {
      expect(outcome(line)).toEqual({
        devices: [works('LNRO0005:00', 'virtio-blk'), works('LNRO0005:01', 'virtio-rng')],
        unseen: [],
      })
    },
  )

  it('acpi=off: a kernel of Debian finds none, as it takes none from its command line', () => {
    expect(outcome('-M microvm,acpi=off')).toEqual({
      devices: [],
      unseen: ['mmio:0xfeb00c00', 'mmio:0xfeb00e00'],
    })
  })

  it('acpi=off: one that is built for it finds them, and their interrupts by the MP table', () => {
    expect(outcome('-M microvm,acpi=off', 'linux-6.12,command-line-devices=on')).toEqual({
      devices: [works('virtio-mmio.0', 'virtio-blk'), works('virtio-mmio.1', 'virtio-rng')],
      unseen: [],
    })
    const told = '-M microvm,acpi=off,auto-kernel-cmdline=off'
    expect(outcome(told, 'linux-6.12,command-line-devices=on').devices).toEqual([])
  })

  it('pcie=on: BARs of ports get no address, which is all that a legacy device has', () => {
    expect(outcome('-M microvm,pcie=on -device virtio-rng-pci,disable-modern=on,disable-legacy=off').devices[1]).toBe(
      '0000:00:01.0 virtio-rng none none refused',
    )
  })
})
