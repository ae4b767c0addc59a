import { describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import { createMachine } from '../src/index.ts'

const boot = (version: string, devices: readonly string[]): void => {
  const lines = devices.map((line) => `  - ${line}`).join('\n')
  createMachine(readMachineFile(`machine: q35\nqemuVersion: '${version}'\ndevices:\n${lines}\n`).description)
}
const BOTH = ['7.2', '11.1'] as const

describe.each(BOTH)('values that a device refuses as it comes to be, QEMU %s', (version) => {
  it.each([
    ['{ model: virtio-blk-pci, num-queues: 0 }', 'num-queues property must be larger than 0'],
    [
      '{ model: virtio-blk-pci, queue-size: 100 }',
      'invalid queue-size property (100), must be a power of 2 (max 1024)',
    ],
    [
      '{ model: virtio-blk-pci, queue-size: 2048 }',
      'invalid queue-size property (2048), must be a power of 2 (max 1024)',
    ],
    [
      '{ model: virtio-net-pci, rx_queue_size: 100 }',
      'Invalid rx_queue_size (= 100), must be a power of 2 between 256 and 1024.',
    ],
    ['{ model: nvme, serial: a, max_ioqpairs: 0 }', 'max_ioqpairs must be between 1 and 65535'],
    ['{ model: nvme, serial: a, msix_qsize: 0 }', 'msix_qsize must be between 1 and 2048'],
    ['{ model: virtio-rng-pci, period: 0 }', "'period' parameter expects a positive integer"],
  ])('%s', (device, words) => {
    expect(() => boot(version, [device])).toThrow(words)
  })

  it('a second balloon', () => {
    const balloon = '{ model: virtio-balloon-pci }'
    expect(() => boot(version, [balloon])).not.toThrow()
    expect(() => boot(version, [balloon, balloon])).toThrow('Only one balloon device is supported')
  })
})

describe('values that one release refuses', () => {
  it('a long queue for sending, where nobody but QEMU fills it', () => {
    const card = '{ model: virtio-net-pci, tx_queue_size: 1024 }'
    expect(() => boot('7.2', [card])).not.toThrow()
    expect(() => boot('11.1', [card])).toThrow(
      'Invalid tx_queue_size (= 1024), must be a power of 2 between 256 and 256',
    )
  })

  it('entropy of no bytes', () => {
    const source = '{ model: virtio-rng-pci, max-bytes: 0 }'
    expect(() => boot('7.2', [source])).not.toThrow()
    expect(() => boot('11.1', [source])).toThrow("'max-bytes' parameter must be positive")
  })
})
