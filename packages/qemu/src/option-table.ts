/**
 * What becomes of an option. `parsed`: it shapes the machine. `ignored`: it has no bearing on DMA, and is listed as
 * written. `refused`: it bears on what is modelled, and is not modelled; or there would be no machine to look at.
 */
type Treatment = 'parsed' | 'ignored' | 'refused'

export interface OptionSpec {
  readonly argument: boolean
  readonly treatment: Treatment
  /** For `refused`: why, and what to do instead. */
  readonly reason?: string
}

const listed = (treatment: Treatment, argument: boolean, names: string, reason?: string): [string, OptionSpec][] =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => [name, { argument, treatment, ...(reason === undefined ? {} : { reason }) }])

const NO_MACHINE = 'prints something and exits; there is no machine to look at'

/** The options of QEMU's programs from 7.2 to 11.1. Closed: what is not here is refused by name. */
export const OPTIONS: ReadonlyMap<string, OptionSpec> = new Map([
  ...listed(
    'parsed',
    true,
    `machine M device drive blockdev netdev nic net object chardev append m smp accel cpu bios pflash global set readconfig hda hdb hdc hdd cdrom vga fsdev virtfs numa`,
  ),
  ...listed('parsed', false, 'enable-kvm nodefaults usb no-acpi no-hpet'),
  // Without bearing on DMA: what the host shows, stores, records; time; users; the monitor.
  ...listed(
    'ignored',
    true,
    `kernel initrd display serial parallel monitor mon qmp qmp-pretty name uuid rtc boot audiodev audio usbdevice k
     spice vnc tpmdev fda fdb mtdblock sd L option-rom smbios fw_cfg mem-path pidfile runas user chroot
     run-with sandbox msg overcommit icount action watchdog watchdog-action echr debugcon gdb d D dfilter trace plugin
     seed qtest qtest-log loadvm incoming add-fd compat dump-vmstate iscsi shim dtb`,
  ),
  ...listed(
    'ignored',
    false,
    `nographic S s snapshot no-reboot no-shutdown daemonize full-screen win2k-hack no-fd-bootchk nouserconfig
     no-user-config only-migratable preconfig mem-prealloc singlestep one-insn-per-tb perfmap jitdump sdl curses portrait
     rotate async-teardown enable-sync-profile`,
  ),
  // Of Proxmox VE's QEMU alone.
  ...listed('ignored', true, 'id'),
  ...listed('refused', false, 'h help version', NO_MACHINE),
  ...listed('refused', true, 'writeconfig', NO_MACHINE),
  ...listed(
    'refused',
    true,
    'acpitable',
    'adds ACPI tables of your own, which the simulated firmware does not load; leave it out',
  ),
  ...listed('refused', true, 'xen-domid', 'Xen guests are not modelled'),
  ...listed('refused', false, 'xen-attach xen-domid-restrict', 'Xen guests are not modelled'),
])

/** The options that are accepted and have no effect on the machine, in alphabetical order, for the documentation. */
export const IGNORED_OPTIONS: readonly string[] = [...OPTIONS]
  .filter(([, { treatment }]) => treatment === 'ignored')
  .map(([name]) => name)
  .sort()
