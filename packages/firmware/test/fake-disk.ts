import type { FakeFunction, FakePc } from './fake-pc.ts'

/** What a fake disk does with the request that it finds in its ring. */
export type Behaviour = 'serves' | 'fails' | 'is silent' | 'answers nonsense'

/** A virtio disk for firmware: registers, one queue, one request after the other. Written from virtio 1.3 alone. */
export class FakeDisk {
  status = 0
  readonly statuses: number[] = []
  acceptsFeatures = true
  queueSize: number
  behaviour: Behaviour = 'serves'
  driverFeatures: [number, number] = [0, 0]
  ring = { desc: 0, driver: 0, device: 0 }
  enabled = 0
  requests = 0
  isrReads = 0
  readonly #pc: FakePc
  readonly #offered: [number, number]
  #select = [0, 0]
  #pending = false

  constructor(pc: FakePc, offered: [lo: number, hi: number], queueSize: number) {
    this.#pc = pc
    this.#offered = offered
    this.queueSize = queueSize
  }

  /** Gives `one` the modern interface's capabilities, as QEMU lays them out in BAR 4. */
  modern(one: FakeFunction): void {
    one.config[0x06] = 0x10
    one.config[0x34] = 0x40
    const structures: [type: number, offset: number][] = [
      [1, 0],
      [3, 0x1000],
      [4, 0x2000],
      [2, 0x3000],
    ]
    for (const [index, [type, offset]] of structures.entries()) {
      const at = 0x40 + 0x14 * index
      one.config.set([0x09, index === 3 ? 0 : at + 0x14, 0x14, type, 4], at)
      one.mask.fill(0, at, at + 0x14)
      one.view.setUint32(at + 8, offset, true)
      one.view.setUint32(at + 12, 0x1000, true)
      if (type === 2) one.view.setUint32(at + 16, 4, true)
    }
    this.#pc.mmio.push({
      get base() {
        return (one.view.getUint32(0x20, true) & 0xffff_fff0) >>> 0
      },
      size: 0x4000,
      read: (offset) => this.#read(offset),
      write: (offset, value) => this.#write(offset, value),
    })
    this.#pc.onRun = () => this.run()
  }

  /** Puts the legacy interface into the ports of BAR 0. */
  legacy(one: FakeFunction): void {
    this.#pc.portDevices.push({
      base: () => one.view.getUint32(0x10, true) & 0xfffc,
      size: 0x40,
      read: (offset) =>
        ({ 0: this.#offered[0], 12: this.queueSize, 18: this.status })[offset] ?? (offset === 0x13 ? this.#isr() : 0),
      write: (offset, value) => {
        if (offset === 4) this.driverFeatures[0] = value
        else if (offset === 8) {
          const desc = value * 4096
          const driver = desc + 16 * this.queueSize
          this.ring = { desc, driver, device: Math.ceil((driver + 6 + 2 * this.queueSize) / 4096) * 4096 }
        } else if (offset === 0x10) this.#pending = true
        else if (offset === 0x12) this.#setStatus(value)
      },
    })
    this.#pc.onRun = () => this.run()
  }

  #isr(): number {
    this.isrReads++
    return 0
  }

  #setStatus(value: number): void {
    this.statuses.push(value)
    this.status = this.acceptsFeatures ? value : value & ~8
  }

  #read(offset: number): number {
    if (offset === 0x04) return this.#offered[this.#select[0]!] ?? 0
    if (offset === 0x14) return this.status
    if (offset === 0x18) return this.queueSize
    if (offset === 0x1e) return 0
    if (offset === 0x1000) return this.#isr()
    return 0
  }

  #write(offset: number, value: number): void {
    if (offset === 0x00) this.#select[0] = value
    else if (offset === 0x08) this.#select[1] = value
    else if (offset === 0x0c) this.driverFeatures[this.#select[1] as 0 | 1] = value
    else if (offset === 0x14) this.#setStatus(value)
    else if (offset === 0x18) this.queueSize = value
    else if (offset === 0x1c) this.enabled = value
    else if (offset === 0x20) this.ring.desc = value
    else if (offset === 0x28) this.ring.driver = value
    else if (offset === 0x30) this.ring.device = value
    else if (offset === 0x3000) this.#pending = true
  }

  /** Serves the request that was notified: sector n is 512 times the byte 0xa0 + n. */
  run(): void {
    if (!this.#pending || this.behaviour === 'is silent') return
    this.#pending = false
    this.requests++
    const pc = this.#pc
    const head = pc.read16(this.ring.driver + 4)
    const chain: { address: number; length: number; writable: boolean }[] = []
    for (let index = head, more = true; more; ) {
      const at = this.ring.desc + 16 * index
      const flags = pc.read16(at + 12)
      chain.push({ address: pc.read32(at), length: pc.read32(at + 8), writable: (flags & 2) !== 0 })
      more = (flags & 1) !== 0
      index = pc.read16(at + 14)
    }
    const [header, data, status] = chain
    const sector = pc.read32(header!.address + 8)
    const good = this.behaviour === 'serves' && chain.map(({ writable }) => writable).join() === 'false,true,true'
    if (good) pc.writeBytes(data!.address, new Uint8Array(data!.length).fill(0xa0 + sector))
    pc.write8(status!.address, good ? 0 : 1)
    pc.write32(this.ring.device + 4, this.behaviour === 'answers nonsense' ? 0x1234 : head)
    pc.write32(this.ring.device + 8, 513)
    pc.write16(this.ring.device + 2, 1)
  }
}
