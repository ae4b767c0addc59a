import type { QemuVersion } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'
import { parseLine, refusalOfMachine } from './parse-line.ts'

const MIB = 2 ** 20

const parse = (line: string, qemuVersion?: QemuVersion) => parseLine(`qemu-system-s390x ${line}`, qemuVersion)
const refused = (line: string, qemuVersion?: QemuVersion) => refusalOfMachine(`qemu-system-s390x ${line}`, qemuVersion)

describe('qemu-system-s390x', () => {
  it('makes s390-ccw-virtio unless told otherwise, with 128 MiB', () => {
    expect(parse('')).toMatchObject({ machine: 's390-ccw-virtio', memory: 128 * MIB, cpus: 1, defaultDevices: true })
    expect(parse('-M s390-ccw-virtio-9.2,aes-key-wrap=on,loadparm=1')).toMatchObject({
      machineProperties: { type: 's390-ccw-virtio-9.2' },
    })
    expect(refused('-M q35')).toMatch(/^QEMU_MACHINE/)
    expect(refused('-nodefaults -smp 249')).toMatch(/^QEMU_SMP: .*248/)
  })

  it('takes names without a transport for devices on channels, as -drive if=virtio and -nic model=virtio do', () => {
    const line =
      '-nodefaults -nic user,model=virtio -drive file=a,if=none,id=a -device virtio-blk,drive=a,devno=fe.0.0010 ' +
      '-device virtio-rng -device virtio-serial -drive file=b'
    const { devices, ignored } = parse(`${line} -chardev stdio,id=c -device sclpconsole,chardev=c`)
    expect(devices.map(({ model }) => model)).toEqual([
      'virtio-net-ccw',
      'virtio-blk-ccw',
      'virtio-rng-ccw',
      'virtio-serial-ccw',
      'virtio-blk-ccw',
    ])
    expect(devices[1]).toMatchObject({ properties: { devno: 'fe.0.0010' }, backend: { kind: 'disk' } })
    expect(ignored).toContain('-device sclpconsole,chardev=c')
  })

  it('makes a protected guest, whose devices then offer bit 33', () => {
    const line = '-M s390-ccw-virtio,confidential-guest-support=pv0 -object s390-pv-guest,id=pv0'
    expect(parse(line).machineProperties).toEqual({ confidential: 'pv' })
    expect(refused(`-nodefaults ${line} -device virtio-rng-ccw`)).toBe('accepted')
    const other = '-M s390-ccw-virtio,confidential-guest-support=pv0 -object pef-guest,id=pv0'
    expect(refused(other)).toMatch(/^MACHINE_NOT_MODELLED: .*s390-pv-guest on s390x/)
  })

  it('has devices of revision 0 in the oldest types alone', () => {
    const revisionOf = (type: string) =>
      parse(`-nodefaults -M ${type} -device virtio-rng-ccw`, '7.2').devices[0]?.properties.max_revision
    expect([revisionOf('s390-ccw-virtio-2.4'), revisionOf('s390-ccw-virtio-2.5')]).toEqual([0, undefined])
    expect(refused('-M s390-ccw-virtio-4.2')).toMatch(/^QEMU_MACHINE: .*unsupported machine type/)
  })

  it('sends devices of other buses to what there is', () => {
    expect(refused('-nodefaults -device virtio-rng-pci')).toMatch(/write virtio-rng-ccw/)
    expect(refused('-nodefaults -device nvme,serial=1,drive=a -drive file=a,if=none,id=a')).toMatch(/not modelled/)
    const onPc = (): unknown =>
      parseQemuCommandLine(['qemu-system-x86_64', '-device', 'virtio-rng-ccw'], { qemuVersion: '11.1' })
    expect(onPc).toThrow(/is not a valid device model name of qemu-system-x86_64/)
  })
})
