import { DmascopeError, type QemuVersion } from '@dmascope/machine'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseQemuCommandLine } from '../src/index.ts'
import { parseLine, words } from './parse-line.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

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
        const keyed = parseLine(`-M q35 -device virtio-rng-pci,id=r,addr=${addr}${text.join('')}`).devices[0]!
        const json = { driver: 'virtio-rng-pci', id: 'r', addr, ...given }
        const object = parseQemuCommandLine(['-M', 'q35', '-device', JSON.stringify(json)], { qemuVersion: '11.1' })
        expect({ ...object.devices[0]!, location: null }).toEqual({ ...keyed, location: null })
      }),
      RUNS,
    )
  })
})
