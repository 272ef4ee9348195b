// What the benchmarks use of zeromq.js (https://github.com/zeromq/zeromq.js), as its README shows it.

import { requirePeer } from '../harness/project.js'
import type { Need } from '../harness/scenario.js'
import { socketPath } from './line.js'

export interface ZeromqSocket extends AsyncIterable<readonly Buffer[]> {
  bind(endpoint: string): Promise<void>
  connect(endpoint: string): void
  send(message: string): Promise<void>
  receive(): Promise<readonly Buffer[]>
}

type Kind = 'Push' | 'Pull' | 'Request' | 'Reply'

export const ZEROMQ: readonly Need[] = [{ kind: 'package', name: 'zeromq' }]

export function newZeromqSocket(kind: Kind): ZeromqSocket {
  const zeromq = requirePeer('zeromq') as Readonly<Record<Kind, new () => ZeromqSocket>>
  return new zeromq[kind]()
}

export function zeromqEndpoint(directory: string, name?: string): string {
  return `ipc://${socketPath(directory, name)}`
}
