// The options and counts of an endpoint: their meaning, defaults and checks.

import { anything, checkOptions, milliseconds, signal, wholeNumber } from '../base/options.js'
import type { Checked, OptionTable } from '../base/options.js'
import type { ReceiverOptions } from '../endpoints/receiver-options.js'
import type { LatencyStats } from '../observe/latency.js'

/** Options of {@link Endpoint}. */
export interface EndpointOptions {
  /** Milliseconds that a request waits for its reply; each request can override it. Default: 5000. */
  readonly timeoutMs?: number
  /**
   * Approximate bytes, with overhead, that may wait in each of four places: requests without a reply, running handlers,
   * replies that the peer has not read, and messages that the application has not read. A received message counts with
   * the whole read that it arrived in, because it keeps that alive. Default: 8 MiB.
   */
  readonly maxPendingBytes?: number
  /** Options of the receiver that reads the connection. */
  readonly receiver?: ReceiverOptions
}

/** Options of {@link Endpoint.request}. */
export interface RequestOptions {
  /** How long to wait for the reply, in milliseconds; Infinity: as long as the connection lasts. */
  readonly timeoutMs?: number
  /** Withdraws the request when it fires. The signal of the peer's handler then fires too. */
  readonly signal?: AbortSignal
}

/** Options of {@link Endpoint.close}. */
export interface EndpointCloseOptions {
  /** Milliseconds to wait for requests and handlers under way. Default: 5000. */
  readonly timeoutMs?: number
}

/** Counts of an {@link Endpoint}. */
export interface EndpointStats {
  /** Requests that have no reply yet. */
  readonly pending: number
  /** Approximate bytes of the requests without a reply. */
  readonly pendingBytes: number
  /** How long the peer took to reply to requests, errors included. */
  readonly latency: LatencyStats
  /** Running handlers. */
  readonly handling: number
  /** Approximate bytes of the requests being handled, with the reads that they arrived in. */
  readonly handlingBytes: number
  /** Requests of the peer that a handler was called for. */
  readonly handled: number
  /** Requests of the peer that got an error reply without a handler: unknown type, full, duplicate id, closing. */
  readonly refused: number
  /** Replies without a request: late ones, duplicates, forged ids. */
  readonly unknownReplies: number
  /** Replies that could not be sent, because the connection had ended or the peer did not read in time. */
  readonly unsentReplies: number
  /** Messages dropped because {@link EndpointOptions.maxPendingBytes} of them waited while `messages` was not read. */
  readonly dropped: number
}

const OPTIONS: OptionTable<EndpointOptions> = {
  timeoutMs: milliseconds,
  maxPendingBytes: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  receiver: anything,
}
const REQUEST_OPTIONS: OptionTable<RequestOptions> = { timeoutMs: milliseconds, signal }
const CLOSE_OPTIONS: OptionTable<EndpointCloseOptions> = { timeoutMs: milliseconds }

/** Default of {@link EndpointOptions.maxPendingBytes}. */
export const DEFAULT_MAX_PENDING_BYTES = 8 << 20
/** The options of most requests, which need no check. */
export const NO_REQUEST_OPTIONS: Checked<RequestOptions> = {}

export function checkEndpointOptions(options: EndpointOptions): Checked<EndpointOptions> {
  return checkOptions('Endpoint', options, OPTIONS)
}

export function checkRequestOptions(options: RequestOptions): Checked<RequestOptions> {
  return options === NO_REQUEST_OPTIONS ? options : checkOptions('request', options, REQUEST_OPTIONS)
}

export function checkCloseOptions(options: EndpointCloseOptions): Checked<EndpointCloseOptions> {
  return checkOptions('close', options, CLOSE_OPTIONS)
}
