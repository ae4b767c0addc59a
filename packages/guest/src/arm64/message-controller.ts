/** Messages that a controller made: the interrupts' numbers, and what a device is to write, and where. */
export interface ControllerMessages {
  readonly intids: readonly number[]
  /** Physical address of the doorbell. */
  readonly doorbell: number
  readonly data: readonly number[]
}

/** What makes messages into interrupts: an ITS, or a GICv2m frame. */
export interface MessageController {
  /** For the report: `ITS@0x8080000`. */
  readonly name: string
  /** It looks at who writes: a device's messages raise no interrupts but its own. */
  readonly isolates: boolean
  /** A text is why there are none. @param deviceId - how the controller knows the device */
  allocate(deviceId: number, count: number): ControllerMessages | string
  release(deviceId: number, messages: ControllerMessages): void
}
