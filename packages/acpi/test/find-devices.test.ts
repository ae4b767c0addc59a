import { expect, test } from 'vitest'
import { aml, definitionBlock, findAcpiDevices, fixedMemory, interrupts, resourceTemplate } from '../src/index.ts'

const transport = (name: string, uid: number, ...more: aml.Aml[]): aml.Aml =>
  aml.device(
    name,
    aml.name('_HID', aml.text('LNRO0005')),
    aml.name('_UID', aml.integer(uid)),
    aml.name(
      '_CRS',
      resourceTemplate(fixedMemory(0xa00_0000 + uid * 0x200, 0x200), interrupts([48 + uid], { edge: uid === 1 })),
    ),
    ...more,
  )

const dsdt = (...terms: aml.Aml[]) => definitionBlock('DSDT', [aml.scope('\\_SB', ...terms)])

test('devices of an ID, in the order of the namespace, with registers and interrupts', () => {
  const block = dsdt(
    transport('VR00', 0, aml.name('_CCA', aml.integer(1))),
    aml.device('COM1', aml.name('_HID', aml.eisaId('PNP0501'))),
    transport('VR01', 1),
  )
  expect(findAcpiDevices(block, 'LNRO0005')).toEqual([
    {
      path: '\\_SB_.VR00',
      hid: 'LNRO0005',
      uid: 0,
      coherent: true,
      resources: {
        memory: [{ first: 0xa00_0000, last: 0xa00_01ff }],
        interrupts: [48],
        edges: [],
        buses: [],
        ports: [],
      },
    },
    {
      path: '\\_SB_.VR01',
      hid: 'LNRO0005',
      uid: 1,
      coherent: null,
      resources: {
        memory: [{ first: 0xa00_0200, last: 0xa00_03ff }],
        interrupts: [49],
        edges: [49],
        buses: [],
        ports: [],
      },
    },
  ])
})

test('ACPI 6.5 §6.3.7: one whose _STA says that it is not there is none', () => {
  const there = aml.name('_STA', aml.integer(0x0f))
  const gone = aml.name('_STA', aml.integer(0))
  const found = findAcpiDevices(dsdt(transport('VR00', 0, gone), transport('VR01', 1, there)), 'LNRO0005')
  expect(found.map(({ uid }) => uid)).toEqual([1])
})
