import { describe, expect, it } from 'vitest'
import {
  arp_packet,
  BUS_MASTER_BLOCK_BYTES,
  BUS_MASTER_REGISTERS,
  DMA_PROBE_READBACK,
  DMA_PROBE_REGISTERS,
  ethernet_header,
  icmp_echo,
  ipv4_header,
  VIRTIO_BALLOON_FEATURES,
  VIRTIO_BLK_FEATURES,
  VIRTIO_CONSOLE_FEATURES,
  VIRTIO_NET_FEATURES,
  virtio_balloon_config,
  virtio_balloon_stat,
  virtio_blk_config,
  virtio_blk_discard_write_zeroes,
  virtio_blk_req,
  virtio_console_config,
  virtio_net_config,
  virtio_net_ctrl,
  virtio_net_hdr,
} from '../src/spec/index.ts'

const offsets = (of: { readonly fields: object }): Record<string, number> =>
  Object.fromEntries(
    Object.entries(of.fields as Record<string, { readonly offset: number }>).map(([name, { offset }]) => [
      name,
      offset,
    ]),
  )
const bitsOf = (of: { readonly fields: object }): Record<string, number> =>
  Object.fromEntries(
    Object.entries(of.fields as Record<string, { readonly low: number }>).map(([name, { low }]) => [name, low]),
  )

describe('sizes and offsets, as virtio 1.3 has them', () => {
  it('block', () => {
    expect([virtio_blk_req.size, virtio_blk_discard_write_zeroes.size, virtio_blk_config.size]).toEqual([16, 16, 60])
    expect(offsets(virtio_blk_req)).toEqual({ type: 0, reserved: 4, sector: 8 })
    expect(offsets(virtio_blk_config)).toEqual({
      capacity: 0,
      size_max: 8,
      seg_max: 12,
      geometry: 16,
      blk_size: 20,
      topology: 24,
      writeback: 32,
      unused0: 33,
      num_queues: 34,
      max_discard_sectors: 36,
      max_discard_seg: 40,
      discard_sector_alignment: 44,
      max_write_zeroes_sectors: 48,
      max_write_zeroes_seg: 52,
      write_zeroes_may_unmap: 56,
      unused1: 57,
    })
  })

  it('network', () => {
    expect([virtio_net_hdr.size, virtio_net_config.size, virtio_net_ctrl.size]).toEqual([12, 8, 2])
    expect(offsets(virtio_net_hdr)).toEqual({
      flags: 0,
      gso_type: 1,
      hdr_len: 2,
      gso_size: 4,
      csum_start: 6,
      csum_offset: 8,
      num_buffers: 10,
    })
  })

  it('console and balloon', () => {
    expect([virtio_console_config.size, virtio_balloon_config.size, virtio_balloon_stat.size]).toEqual([12, 16, 10])
    expect(offsets(virtio_console_config)).toEqual({ cols: 0, rows: 2, max_nr_ports: 4, emerg_wr: 8 })
    expect(offsets(virtio_balloon_config)).toEqual({
      num_pages: 0,
      actual: 4,
      free_page_hint_cmd_id: 8,
      poison_val: 12,
    })
  })

  it('feature bits', () => {
    expect(bitsOf(VIRTIO_BLK_FEATURES)).toMatchObject({ VIRTIO_BLK_F_SEG_MAX: 2, VIRTIO_BLK_F_FLUSH: 9 })
    expect(bitsOf(VIRTIO_BLK_FEATURES)).toMatchObject({ VIRTIO_BLK_F_MQ: 12, VIRTIO_BLK_F_WRITE_ZEROES: 14 })
    expect(bitsOf(VIRTIO_NET_FEATURES)).toMatchObject({ VIRTIO_NET_F_MAC: 5, VIRTIO_NET_F_MRG_RXBUF: 15 })
    expect(bitsOf(VIRTIO_NET_FEATURES)).toMatchObject({ VIRTIO_NET_F_STATUS: 16, VIRTIO_NET_F_CTRL_MAC_ADDR: 23 })
    expect(bitsOf(VIRTIO_CONSOLE_FEATURES)).toEqual({
      VIRTIO_CONSOLE_F_SIZE: 0,
      VIRTIO_CONSOLE_F_MULTIPORT: 1,
      VIRTIO_CONSOLE_F_EMERG_WRITE: 2,
    })
    expect(bitsOf(VIRTIO_BALLOON_FEATURES)).toMatchObject({
      VIRTIO_BALLOON_F_STATS_VQ: 1,
      VIRTIO_BALLOON_F_PAGE_POISON: 4,
    })
  })
})

it('headers of the network, as the RFCs have them', () => {
  expect([ethernet_header.size, arp_packet.size, ipv4_header.size, icmp_echo.size]).toEqual([14, 28, 20, 8])
})

it('the probe and the test block keep their registers apart, and where drivers look for them', () => {
  const probe = DMA_PROBE_REGISTERS.registers
  expect([probe.ADDRESS_LO, probe.LENGTH, probe.RESULT, probe.DOORBELL].map(({ offset }) => offset)).toEqual([
    0x4, 0xc, 0x10, 0x14,
  ])
  expect(DMA_PROBE_REGISTERS.size).toBeLessThanOrEqual(DMA_PROBE_READBACK)
  const block = BUS_MASTER_REGISTERS.registers
  expect([block.SOURCE_LO, block.DESTINATION_LO, block.CONTROL, block.STATUS].map(({ offset }) => offset)).toEqual([
    0x4, 0xc, 0x18, 0x1c,
  ])
  expect(BUS_MASTER_REGISTERS.size).toBeLessThanOrEqual(BUS_MASTER_BLOCK_BYTES)
})
