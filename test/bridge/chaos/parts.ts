// Chaos run: what the driver tells its parts, and what the receiver writes.

import type { Position } from 'sentinel-ipc'

export interface SenderArguments {
  readonly directory: string
  readonly id: number
  readonly messages: number
  readonly spool: string
  readonly pauseMs: number
}

export interface ReceiverArguments {
  readonly directory: string
  readonly output: string
}

export interface OutArguments {
  readonly directory: string
  readonly servers: string
  /** Undefined: without. */
  readonly spool?: string
  readonly batch: number
  readonly inFlight: number
}

export interface InArguments {
  readonly directory: string
  readonly servers: string
}

/** One line of the receiver's output. */
export interface OutputEntry {
  readonly position: Position
  readonly ids: readonly string[]
}
