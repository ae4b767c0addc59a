/** 24-bit class codes: base class, sub-class, programming interface (PCI Code and ID Assignment Specification). */
export const PCI_CLASS_STORAGE_SCSI = 0x010000
export const PCI_CLASS_STORAGE_SATA_AHCI = 0x010601
export const PCI_CLASS_STORAGE_NVME = 0x010802
export const PCI_CLASS_NETWORK_ETHERNET = 0x020000
export const PCI_CLASS_DISPLAY_VGA = 0x030000
export const PCI_CLASS_BRIDGE_HOST = 0x060000
export const PCI_CLASS_BRIDGE_ISA = 0x060100
export const PCI_CLASS_BRIDGE_PCI = 0x060400
export const PCI_CLASS_BRIDGE_PCI_SUBTRACTIVE = 0x060401
export const PCI_CLASS_COMMUNICATION_OTHER = 0x078000
export const PCI_CLASS_SYSTEM_OTHER = 0x088000
export const PCI_CLASS_SERIAL_USB_XHCI = 0x0c0330
export const PCI_CLASS_SERIAL_SMBUS = 0x0c0500
export const PCI_CLASS_OTHERS = 0xff0000
