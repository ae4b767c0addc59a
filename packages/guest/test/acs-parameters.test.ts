import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AcsParameters, acsParameters, applyAcsParameters, type NamedFunction } from '../src/pci/acs-parameters.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'

const SV = 1
const TB = 2
const RR = 4
const CR = 8
const UF = 16
const EC = 32
/** What the kernel turns on by itself. */
const STANDARD = SV | RR | CR | UF

const at = (bus: number, device: number, fn = 0, parent: NamedFunction | null = null, segment = 0): NamedFunction => ({
  segment,
  bus,
  device,
  function: fn,
  vendorId: 0x1b36,
  deviceId: 0x000c,
  subsystemVendorId: 0x1af4,
  subsystemId: 0x1100,
  // Enumeration's own parents are whole functions.
  parent: parent as NamedFunction['parent'],
})
const PORT = at(0, 8)
const BELOW = at(2, 3, 1, at(1, 0, 0, PORT))

const parameters = (line: string, kernel: '4.8' | '6.1' | '6.12' = '6.12'): AcsParameters | null =>
  acsParameters(parseKernelCommandLine(line), { kernel })
const settle = (line: string, fn = PORT, firmware = 0, kernel: '6.1' | '6.12' = '6.12', wanted = STANDARD): number =>
  applyAcsParameters(parameters(line, kernel)!, fn, wanted, firmware)

describe('what the command line says', () => {
  it('is for kernels that know the word', () => {
    expect(parameters('quiet pci=nomsi')).toBeNull()
    expect(parameters('pci=disable_acs_redir=0:8.0', '4.8')).toBeNull()
    expect(parameters('pci=config_acs=1@0:8.0', '6.1')).toBeNull()
    expect(parameters('pci=noats,disable_acs_redir=0:8.0;0:9.0', '6.1')).toEqual({
      disableRedirection: '0:8.0;0:9.0',
      config: null,
      restoresFirmware: false,
    })
  })
})

describe('disable_acs_redir', () => {
  it('takes both redirects and egress control from a device that is named, and from no other', () => {
    const line = 'pci=disable_acs_redir=0000:00:08.0'
    expect(settle(line, PORT, 0, '6.1', STANDARD | EC)).toBe(SV | UF)
    expect(settle(line, at(0, 9), 0, '6.1')).toBe(STANDARD)
  })

  it('since 6.11 the rest of a device that is named is firmware’s', () => {
    expect(settle('pci=disable_acs_redir=0:8.0', PORT, 0)).toBe(0)
    // As the commit's own example has it: 0x5f of firmware becomes 0x53.
    expect(settle('pci=disable_acs_redir=0:8.0', PORT, 0x5f)).toBe(0x53)
    expect(settle('pci=disable_acs_redir=0:8.0', at(0, 9), 0x5f)).toBe(STANDARD)
  })
})

describe('config_acs', () => {
  it('bits from the right: 0 and 1 as written, x as firmware left it', () => {
    expect(settle('pci=config_acs=1x0@pci:0:0', PORT, 0)).toBe(RR)
    expect(settle('pci=config_acs=1x0@pci:0:0', PORT, SV | TB | CR)).toBe(RR | TB | CR)
    expect(settle('pci=config_acs=1@0:8.0')).toBe(SV)
  })

  it('the first entry that names the device counts', () => {
    expect(settle('pci=config_acs=1@0:9.0;10@0:8.0;100@pci:0:0')).toBe(TB)
  })

  it.each(['12@0:8.0', '0:8.0', '10000000@0:8.0', '1@nonsense', '1@pci:zz'])(
    'nonsense, %s, is not read on from',
    (one) => {
      expect(settle(`pci=config_acs=${one};1@0:8.0`)).toBe(STANDARD)
    },
  )
})

describe('how devices are named', () => {
  it.each([
    ['pci:1b36:c', true],
    ['pci:1b36:0', true],
    ['pci:0:000c:1af4:1100', true],
    ['pci:8086:0', false],
    ['pci:1b36:c:8086:0', false],
    ['2:3.1', true],
    ['0000:02:03.1', true],
    ['1:2:3.1', false],
    ['0:8.0/0.0/3.1', true],
    ['1:0.0/3.1', true],
    ['0:8.0/3.1', false],
    ['0:8.0/0.0/0.0/3.1', false],
    ['0:8.0', false],
  ])('%s: %s', (text, named) => {
    expect(settle(`pci=disable_acs_redir=${text}`, BELOW, 0, '6.1')).toBe(named ? SV | UF : STANDARD)
  })
})

it('any words: nothing is thrown, and nothing but known bits comes of them', () => {
  const words = fc.string({ maxLength: 30, unit: fc.constantFrom(...'01x@;:/.pci8abf') })
  fc.assert(
    fc.property(words, fc.nat(0x7f), (text, firmware) => {
      const all = { disableRedirection: text, config: text, restoresFirmware: true }
      expect(applyAcsParameters(all, BELOW, STANDARD, firmware) & ~0x7f).toBe(0)
    }),
    { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) },
  )
})
