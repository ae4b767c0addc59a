/** Hypercalls by number, as Xen's `public/xen.h` has them. */
export const HYPERVISOR = {
  memory_op: 12,
  xen_version: 17,
  event_channel_op: 32,
  physdev_op: 33,
} as const

/** What hypercalls answer where they fail: error numbers of `public/errno.h`, negative. */
export const XEN_ERRNO = {
  EPERM: -1,
  ESRCH: -3,
  ENOMEM: -12,
  EFAULT: -14,
  EEXIST: -17,
  ENODEV: -19,
  EINVAL: -22,
  ENOSPC: -28,
  ENOSYS: -38,
} as const

/** Commands of `xen_version` (`public/version.h`): the version answers major in the upper half of a word, minor below. */
export const XENVER_version = 0

/** The caller's own domain (`public/xen.h`). */
export const DOMID_SELF = 0x7ff0
