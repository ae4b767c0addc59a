import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { driverForVirtio, driversForPci } from '../src/profile/guest-profile.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'
import { listGuests, parseGuest } from '../src/profile/parse-guest.ts'
import type { VirtioDmaInput } from '../src/profile/virtio-dma-rule.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const errorOf = (text: string): DmascopeError => {
  try {
    parseGuest(text)
  } catch (error) {
    if (error instanceof DmascopeError) return error
  }
  throw new Error(`${text} was taken`)
}

describe('parseGuest', () => {
  it('takes a profile and its options', () => {
    const profile = parseGuest('linux-6.12,without=virtio_iommu,iova=bottom-up')
    expect(profile).toMatchObject({
      name: 'linux-6.12',
      kernel: '6.12',
      iovaOrder: 'bottom-up',
      without: ['virtio_iommu'],
    })
    expect(profile.text).toBe('linux-6.12,without=virtio_iommu,iova=bottom-up')
    expect(driverForVirtio(profile, 23)).toBeNull()
    expect(driverForVirtio(parseGuest('linux-6.12'), 23)!.name).toBe('virtio_iommu')
  })

  it('holds - and _ in a module name for the same', () => {
    expect(parseGuest('linux-6.1,without=virtio_rng').without).toEqual(['virtio-rng'])
    expect(driverForVirtio(parseGuest('linux-6.1,without=virtio_rng'), 4)).toBeNull()
  })

  it.each([
    ['linux-6.2', 'GUEST_PROFILE', 'linux-6.12'],
    ['always-dma', 'GUEST_PROFILE', 'always-dma-api'],
    ['linux-6.12,witout=nvme', 'GUEST_OPTION', 'without'],
    ['linux-6.12,without=virtio_blok', 'GUEST_OPTION_VALUE', 'virtio_blk'],
    ['linux-6.12,iova=topdown', 'GUEST_OPTION_VALUE', 'top-down'],
  ])('%s: %s, nearest %s', (text, code, near) => {
    const error = errorOf(text)
    expect(error.code).toBe(code)
    expect(error.context.nearest).toBe(near)
    expect(error.message).toContain(`did you mean ${near}?`)
  })

  it('names no nearest where none is near', () => {
    expect(errorOf('windows').message).not.toContain('did you mean')
    expect(errorOf('').code).toBe('GUEST_PROFILE')
  })

  it('leaves out modules of the kernel alone: what is built in, or not built at all, is none', () => {
    expect(parseGuest('linux-6.1,without=virtio_pci').without).toEqual(['virtio_pci'])
    expect(() => parseGuest('linux-6.12,without=virtio_pci')).toThrow('unknown module "virtio_pci"')
    expect(() => parseGuest('linux-6.1,without=virtio_iommu')).toThrow('unknown module "virtio_iommu"')
  })

  it('lists what it takes', () => {
    const { profiles, options } = listGuests()
    for (const { name } of profiles) expect(parseGuest(name).name).toBe(name)
    const taken = (option: string): boolean =>
      ['linux-6.1', 'linux-6.12'].some((kernel) => {
        try {
          return parseGuest(`${kernel},${option}`).name === kernel
        } catch {
          return false
        }
      })
    const all = options.flatMap(({ name, values }) => values.map((value) => `${name}=${value}`))
    expect(all.filter((option) => !taken(option))).toEqual([])
  })
})

describe('drivers', () => {
  const { drivers } = parseGuest('linux-6.12')

  it('probe in this order: those built in, as they are linked, then modules', () => {
    expect(drivers.map(({ name, module }) => (module === null ? name : `${name} *`))).toEqual([
      'pcieport',
      'virtio-pci',
      'virtio_ccw',
      'serial',
      'virtio_console',
      'agpgart-intel',
      'virtio_iommu *',
      'virtio-mmio *',
      'virtio_blk *',
      'virtio_net *',
      'virtio_rng *',
      'virtio_balloon *',
      'nvme *',
      'e1000e *',
      'dmascope_probe',
    ])
  })

  it('are modules in 6.1 where 6.12 has them built in, and none is for a virtio IOMMU', () => {
    expect(parseGuest('linux-6.1').drivers.map(({ name, module }) => (module === null ? name : `${name} *`))).toEqual([
      'pcieport',
      'serial',
      'agpgart-intel',
      'virtio-pci *',
      'virtio_ccw',
      'virtio-mmio *',
      'virtio_blk *',
      'virtio_net *',
      'virtio_rng *',
      'virtio_console *',
      'virtio_balloon *',
      'nvme *',
      'e1000e *',
      'dmascope_probe',
    ])
  })

  it.each([
    [0x8086, 0x29c0, 0x06_0000, ['agpgart-intel']],
    [0x1b36, 0x000c, 0x06_0400, ['pcieport']],
    [0x1af4, 0x1042, 0x01_0000, ['virtio-pci']],
    [0x1b36, 0x0002, 0x07_0002, ['serial']],
    [0x1af4, 0x1003, 0x07_8000, ['virtio-pci']],
    [0x1b36, 0x0010, 0x01_0802, ['nvme']],
    [0x8086, 0x10d3, 0x02_0000, ['e1000e']],
    [0x8086, 0x100e, 0x02_0000, []],
    [0x8086, 0x2922, 0x01_0601, []],
    [0x8086, 0x2930, 0x0c_0500, []],
    [0x8086, 0x2918, 0x06_0100, []],
  ])('match %i:%i class %i: %o', (vendorId, deviceId, classCode, expected) => {
    const found = driversForPci(parseGuest('linux-6.12'), { vendorId, deviceId, classCode })
    expect(found.map(({ name }) => name)).toEqual(expected)
  })
})

describe('the virtio rule', () => {
  it.each([
    ['linux-4.4', true, false, 'physical'],
    ['linux-4.4', false, true, 'physical'],
    ['linux-4.6', false, true, 'dma-api'],
    ['linux-4.6', false, false, 'physical'],
    ['linux-4.8', true, false, 'dma-api'],
    ['linux-6.1', false, false, 'physical'],
    ['linux-6.12', false, false, 'physical'],
    ['linux-6.12', true, false, 'dma-api'],
    ['linux-6.12', false, true, 'dma-api'],
    ['always-dma-api', false, false, 'dma-api'],
    ['platform-dma', false, true, 'physical'],
  ] as const)('%s, bit 33 %s, Xen %s: %s', (guest, accessPlatform, xen, path) => {
    const input = { ...NOTHING_SAID, accessPlatform, offersAccessPlatform: accessPlatform, xen }
    expect(parseGuest(guest).virtioDma.decide(input).path).toBe(path)
  })

  it.each([
    ['iommu-flag', 'x86_64', { offersAccessPlatform: true }, 'dma-api'],
    ['iommu-flag', 'x86_64', { hasIommu: true }, 'dma-api'],
    ['iommu-flag', 'ppc64', { offersAccessPlatform: true, hasIommu: true }, 'refuse'],
    ['iommu-flag', 'ppc64', { hasIommu: true }, 'physical'],
    ['iommu-flag-or-refuse', 'x86_64', { hasIommu: true }, 'refuse'],
    ['iommu-flag-or-refuse', 'x86_64', { xen: true }, 'refuse'],
    ['iommu-flag-or-refuse', 'x86_64', {}, 'dma-api'],
    ['iommu-flag-or-refuse', 'x86_64', { hasIommu: true, whitelisted: true }, 'dma-api'],
    ['dma-api-but-on-power', 'ppc64', { hasIommu: true }, 'physical'],
    ['dma-api-but-on-power', 'x86_64', {}, 'dma-api'],
    ['platform-dma-two-bits', 'x86_64', { offersAccessPlatform: true, offersPlatformDma: true }, 'refuse'],
    ['platform-dma-two-bits', 'x86_64', { platformDma: true, offersPlatformDma: true }, 'dma-api'],
    ['platform-dma-two-bits', 'x86_64', { accessPlatform: true, offersAccessPlatform: true }, 'physical'],
  ] as const)('%s on %s, %j: %s', (guest, architecture, seen, path) => {
    expect(parseGuest(guest).virtioDma.decide({ ...NOTHING_SAID, architecture, ...seen }).path).toBe(path)
  })

  it.each([
    ['bypass-property', {}, 'dma-api'],
    ['bypass-property', { property: true }, 'physical'],
    ['bypass-property-quirk', {}, 'physical'],
    ['bypass-property-version', {}, 'physical'],
    ['bypass-property-version', { version: true }, 'dma-api'],
    ['bypass-property-version', { version: true, property: true }, 'physical'],
    ['bypass-prog-if', { progIf: true }, 'dma-api'],
    ['bypass-prog-if', { configBit: true }, 'physical'],
    ['bypass-config-bit', { configBit: true }, 'dma-api'],
  ] as const)('%s, told %j: %s', (guest, told, path) => {
    const tells = { ...NOTHING_SAID.tells, ...told }
    expect(parseGuest(guest).virtioDma.decide({ ...NOTHING_SAID, tells }).path).toBe(path)
  })
})

const NOTHING_SAID: VirtioDmaInput = {
  architecture: 'x86_64',
  accessPlatform: false,
  offersAccessPlatform: false,
  platformDma: false,
  offersPlatformDma: false,
  xen: false,
  hasIommu: false,
  whitelisted: false,
  tells: { progIf: false, configBit: false, property: false, version: false },
}

describe('parseKernelCommandLine', () => {
  it('iommu=pt is a word of x86 alone', () => {
    const line = 'iommu=pt,off iommu.strict=0 intel_iommu=on'
    expect(parseKernelCommandLine(line)).toMatchObject({
      passthrough: true,
      iommuOff: true,
      strict: false,
      unknown: [],
    })
    for (const architecture of ['aarch64', 'ppc64'] as const) {
      const read = parseKernelCommandLine(line, architecture)
      expect(read).toMatchObject({ passthrough: undefined, iommuOff: true, strict: false, unknown: ['iommu=pt'] })
      expect(read.intelIommu).toBeUndefined()
    }
  })

  it('reads words as the kernel does', () => {
    const line = parseKernelCommandLine(
      'root="LABEL=a b" intel-iommu=on,strict,sp_off,nonsense iommu=pt,soft intremap=nosid pci=nomsi,noaer -- iommu=off',
    )
    expect(line).toMatchObject({
      intelIommu: true,
      strict: true,
      superpages: false,
      iommuOff: false,
      passthrough: true,
      noMsi: true,
      interruptRemapping: { off: false, noSourceId: true },
      unknown: ['intel_iommu=nonsense'],
    })
    expect(line.parameters[0]).toEqual({ name: 'root', value: 'LABEL=a b' })
    expect(line.parameters).toHaveLength(5)
  })

  it.each([
    ['iommu.passthrough=y', true],
    ['iommu.passthrough=on', true],
    ['iommu.passthrough=0', false],
    ['iommu.passthrough=No', false],
    ['iommu.passthrough=off', false],
    ['iommu.passthrough=maybe', undefined],
    ['iommu.passthrough', undefined],
  ])('%s: %s', (text, expected) => {
    expect(parseKernelCommandLine(text).passthrough).toBe(expected)
  })

  it('never throws', () => {
    const word = fc.constantFrom('iommu', 'intel_iommu', '=', 'on', ',', ' ', '"', '--', 'pt', 'iommu.strict', '1')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 20 }).map((words) => words.join('')),
        ),
        (text) => {
          expect(parseKernelCommandLine(text).text).toBe(text)
        },
      ),
      { numRuns },
    )
  })
})
