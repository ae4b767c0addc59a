import { describe, expect, it } from 'vitest'
import { aml, definitionBlock, externalFacingPort, findHostBridges, hostBridge } from '../src/index.ts'

const { device, integer, join, name, pkg, scope, text, uuid } = aml
type Aml = aml.Aml

/** The ports of a host bridge with these terms in it. */
const portsOf = (...terms: Aml[]) => {
  const bridge = hostBridge({
    name: 'PCI0',
    uid: 0,
    segment: 0,
    bus: 0,
    lastBus: 255,
    express: true,
    ports: [],
    memory: [],
    routing: [],
    terms,
  })
  return findHostBridges(definitionBlock('DSDT', [scope('\\_SB', bridge)]))[0]?.externalPorts
}

const EXTERNAL = uuid('efcc06cc-73ac-4bc3-bff0-76143807c389')
const PROPERTIES = uuid('daffd814-6eba-4d8c-8a91-bc9bbf4aa301')
const OTHER = uuid('6211e2c0-58a3-4af3-90e1-927a4e0c55a4')
const says = (value: Aml): Aml => pkg(pkg(text('ExternalFacingPort'), value), pkg(text('UID'), integer(0)))
const port = (...terms: Aml[]): Aml => device('RP01', name('_ADR', integer(0x1c_0002)), ...terms)
const FOUND = [{ device: 0x1c, function: 2 }]

describe('ports for devices from outside', () => {
  it('are what this package writes', () => {
    expect(
      portsOf(externalFacingPort({ device: 4, function: 0 }, 0), externalFacingPort({ device: 0x1c, function: 2 }, 1)),
    ).toEqual([{ device: 4, function: 0 }, ...FOUND])
  })

  it.each([
    ['in its own section', pkg(EXTERNAL, says(integer(1)))],
    ['among properties of any device', pkg(PROPERTIES, says(integer(1)))],
    [
      'behind another section',
      pkg(OTHER, pkg(pkg(text('HotPlugSupportInD3'), integer(1))), EXTERNAL, says(integer(255))),
    ],
  ])('say so %s', (_what, dsd) => {
    expect(portsOf(port(name('_DSD', dsd)))).toEqual(FOUND)
  })

  it.each([
    ['no _DSD', []],
    ['a value of 0', [name('_DSD', pkg(EXTERNAL, says(integer(0))))]],
    ['a value that no byte holds', [name('_DSD', pkg(EXTERNAL, says(integer(256))))]],
    ['a value that is a text', [name('_DSD', pkg(EXTERNAL, says(text('1'))))]],
    ['a section of another kind', [name('_DSD', pkg(OTHER, says(integer(1))))]],
    ['a section without properties', [name('_DSD', pkg(EXTERNAL))]],
    ['properties that are no package', [name('_DSD', pkg(EXTERNAL, integer(1)))]],
    ['a _DSD that is no package', [name('_DSD', integer(1))]],
    [
      'properties of another name',
      [name('_DSD', pkg(EXTERNAL, pkg(pkg(text('External'), integer(1)), integer(3), pkg())))],
    ],
  ])('are none with %s', (_what, terms) => {
    expect(portsOf(port(...terms))).toEqual([])
  })

  it.each([
    ['no address', device('RP01', name('_DSD', pkg(EXTERNAL, says(integer(1)))))],
    [
      'an address of no function',
      device('RP01', name('_ADR', integer(0x1c_0008)), name('_DSD', pkg(EXTERNAL, says(integer(1))))),
    ],
    [
      'a place below another device',
      device('RP02', name('_ADR', integer(0x1d_0000)), port(name('_DSD', pkg(EXTERNAL, says(integer(1)))))),
    ],
  ])('are none with %s', (_what, terms) => {
    expect(portsOf(join(terms))).toEqual([])
  })
})
