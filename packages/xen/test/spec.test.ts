import { describe, expect, it } from 'vitest'
import {
  EVTCHN_BIND_PIRQ,
  HYPERVISOR,
  PHYSDEV_MAP_PIRQ,
  PHYSDEV_PCI_DEVICE_ADD,
  PHYSDEVOP,
  SHARED_INFO,
  START_INFO,
  XEN_CPUID_SIGNATURE,
  XEN_MEMORY_EXCHANGE,
  XEN_MEMORY_MAP,
  XENMEM,
} from '../src/spec/index.ts'

describe('layouts of Xen’s public headers, x86-64', () => {
  it('start_info', () => {
    const { fields, size } = START_INFO
    expect([fields.nr_pages.offset, fields.shared_info.offset, fields.flags.offset]).toEqual([32, 40, 48])
    expect([fields.console.offset, fields.pt_base.offset, fields.mfn_list.offset]).toEqual([72, 88, 104])
    expect([fields.cmd_line.offset, fields.first_p2m_pfn.offset, size]).toEqual([128, 1152, 1168])
  })

  it('shared_info: 32 processors of 64 bytes, then the bits of 4096 ports', () => {
    const { vcpu_info, evtchn_pending, evtchn_mask } = SHARED_INFO.fields
    const { evtchn_upcall_pending, evtchn_upcall_mask, evtchn_pending_sel } = vcpu_info.at(0).fields
    expect([evtchn_upcall_pending.offset, evtchn_upcall_mask.offset, evtchn_pending_sel.offset]).toEqual([0, 1, 8])
    expect([vcpu_info.stride, evtchn_pending.offset, evtchn_mask.offset]).toEqual([64, 2048, 2560])
  })

  it('arguments of memory_op', () => {
    expect(XEN_MEMORY_EXCHANGE.fields.out.offset).toBe(32)
    expect(XEN_MEMORY_EXCHANGE.fields.nr_exchanged.offset).toBe(64)
    const { extent_order, mem_flags, domid } = XEN_MEMORY_EXCHANGE.fields.in.fields
    expect([extent_order.offset, mem_flags.offset, domid.offset]).toEqual([16, 20, 24])
    expect([XEN_MEMORY_MAP.fields.buffer.offset, XEN_MEMORY_MAP.size]).toEqual([8, 16])
    expect([XENMEM.machine_memory_map, XENMEM.exchange]).toEqual([10, 11])
  })

  it('arguments of physdev_op and event_channel_op', () => {
    const { type, bus, devfn, entry_nr, table_base } = PHYSDEV_MAP_PIRQ.fields
    expect([type.offset, bus.offset, devfn.offset, entry_nr.offset, table_base.offset]).toEqual([4, 16, 20, 24, 32])
    expect([PHYSDEV_MAP_PIRQ.size, PHYSDEV_PCI_DEVICE_ADD.size, EVTCHN_BIND_PIRQ.size]).toEqual([40, 12, 12])
    expect([PHYSDEVOP.map_pirq, PHYSDEVOP.setup_gsi, PHYSDEVOP.eoi]).toEqual([13, 21, 12])
  })

  it('numbers of hypercalls, and the name that CPUID gives', () => {
    expect(HYPERVISOR).toEqual({ memory_op: 12, xen_version: 17, event_channel_op: 32, physdev_op: 33 })
    const bytes = new Uint8Array(Uint32Array.from(XEN_CPUID_SIGNATURE).buffer)
    expect(String.fromCharCode(...bytes)).toBe('XenVMMXenVMM')
  })
})
