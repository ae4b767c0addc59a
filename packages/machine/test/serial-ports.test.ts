import { describe, expect, it } from 'vitest'
import { SerialPorts, withSerialVectors } from '../src/build/serial-ports.ts'
import { requireModel } from '../src/catalogue/catalogue.ts'
import type { Properties } from '../src/catalogue/check-properties.ts'
import type { DeviceDescription } from '../src/description.ts'

const described = (model: string, more: Partial<DeviceDescription> = {}): DeviceDescription => ({
  model,
  properties: {},
  location: { text: 'argument 7' },
  ...more,
})
const controller = (ports: SerialPorts, id?: string, max_ports = 31) =>
  ports.addController(described('virtio-serial-pci', id === undefined ? {} : { id }), { max_ports })
const add = (ports: SerialPorts, model: 'virtconsole' | 'virtserialport', given: Properties = {}, bus?: string): void =>
  ports.add(described(model, bus === undefined ? {} : { bus }), requireModel(model, '11.1', 'here'), given)

describe('ports of a virtio-serial controller, as QEMU numbers them', () => {
  it('the first terminal is port 0, the others and pipes get the lowest number that is free', () => {
    const ports = new SerialPorts()
    const own = controller(ports)
    add(ports, 'virtserialport', { name: 'org.test.0' })
    add(ports, 'virtconsole')
    add(ports, 'virtserialport', { nr: 3 })
    add(ports, 'virtconsole')
    add(ports, 'virtserialport')
    expect(own).toEqual([
      { id: 1, console: false, name: 'org.test.0' },
      { id: 0, console: true },
      { id: 3, console: false },
      { id: 2, console: true },
      { id: 4, console: false },
    ])
  })

  it('a port goes where its bus says, else to the newest controller; a disk is none', () => {
    const ports = new SerialPorts()
    const first = controller(ports, 's0')
    const second = controller(ports, 's1')
    add(ports, 'virtconsole', {}, 's0.0')
    add(ports, 'virtserialport')
    ports.add(described('scsi-hd'), requireModel('scsi-hd', '11.1', 'here'), {})
    expect([first.map(({ id }) => id), second.map(({ id }) => id)]).toEqual([[0], [1]])
  })

  it.each([
    [{ nr: 1 }, 'virtio-serial-bus: A port already exists at id 1'],
    [{ nr: 2 }, 'virtio-serial-bus: Out-of-range port id specified, max. allowed: 1'],
    [{ nr: 0 }, 'Port number 0 on virtio-serial devices reserved for virtconsole devices'],
    [{}, 'virtio-serial-bus: Maximum port limit for this device reached'],
    [{ name: 'org.test.0', nr: 0 }, 'Port number 0 on virtio-serial'],
  ])('a pipe with %o beside port 1 of 2 is refused in QEMU’s words', (given, words) => {
    const ports = new SerialPorts()
    controller(ports, 's0', 2)
    add(ports, 'virtserialport', { name: 'org.test.0' })
    expect(() => add(ports, 'virtserialport', given)).toThrow(
      expect.objectContaining({ code: 'MACHINE_REFUSED', message: expect.stringContaining(`argument 7: ${words}`) }),
    )
  })

  it('names are one machine’s', () => {
    const ports = new SerialPorts()
    controller(ports)
    add(ports, 'virtserialport', { name: 'org.test.0' })
    controller(ports)
    expect(() => add(ports, 'virtserialport', { name: 'org.test.0' })).toThrow(
      'virtio-serial-bus: A port already exists by name org.test.0',
    )
  })

  it('a controller has room for 1 to 511 ports', () => {
    expect(() => controller(new SerialPorts(), 's0', 0)).toThrow('Maximum number of serial ports not specified')
    expect(() => controller(new SerialPorts(), 's0', 512)).toThrow('maximum ports supported: 511')
  })

  it('vectors: one for each port and one more, unless stated', () => {
    expect(withSerialVectors({ vectors: 0xffff_ffff, max_ports: 4 }).vectors).toBe(5)
    expect(withSerialVectors({ vectors: 2, max_ports: 4 }).vectors).toBe(2)
  })
})
