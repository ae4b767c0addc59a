import { type DeviceDescription, deviceModels, type MachineDescription } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

const at = { text: 'test' }
const describeMachine = (devices: readonly DeviceDescription[], qemuVersion: '7.2' | '11.1'): MachineDescription => ({
  machine: 'q35',
  qemuVersion,
  name: 'test',
  source: 'file',
  memory: 512 * 0x10_0000,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices,
  append: 'intel_iommu=on',
  ignored: [],
})

const plugged = deviceModels().filter(
  ({ pci, virtio, plug, kind }) => (pci !== null || virtio !== null) && plug === 'any' && kind !== 'host-bridge',
)

describe('a boot with each device model', () => {
  it.each(plugged.map((model) => [model.name, model] as const))(
    '%s is found, and what it does is told',
    (name, model) => {
      const required = Object.fromEntries(Object.keys(model.required).map((key) => [key.split('|')[0] as string, 3]))
      const version = model.versions.includes('11.1') ? '11.1' : '7.2'
      const { report } = runBoot({
        description: describeMachine(
          [
            { model: 'intel-iommu', properties: { 'caching-mode': true }, location: at },
            { model: name, id: 'it', addr: { device: 4, function: 0 }, properties: required, location: at },
          ],
          version,
        ),
        guest: 'linux-6.12',
      })
      const device = report.devices.find((one) => one.name === 'it')
      expect(device?.id).toBe('0000:00:04.0')
      expect(device?.guest.iommuGroup).toBe(1)
      expect(['works', 'untested']).toContain(device?.verdict)
      expect(device?.dma.stray).toBe(0)
      if (device?.verdict === 'works') expect(device.io.ok).toBe(true)
      else expect(device?.io.attempted).toBe(false)
    },
  )
})
