/** virtio 1.3 §5.4.1. An entropy device has one queue, no feature bits and no configuration: §5.4.2 to §5.4.4. */
export const VIRTIO_ID_RNG = 4
export const VIRTIO_RNG_REQUESTQ = 0
