// Runs one workload: listens in a private directory, starts the other process, measures on this side.

import { fork, type ChildProcess } from 'node:child_process'
import { createServer, type Socket } from 'node:net'

import { abortedError } from '../../base/errors.js'
import { offAbort, onAbort } from '../../base/abort.js'
import { clearTimeout, setTimeout } from '../../base/globals.js'
import type { Library } from '../kit/load.js'
import { CommandError, ExitCode } from '../kit/exit-code.js'
import { summarize, type Summary } from '../kit/percentiles.js'
import { PEER_VARIABLE } from './peer.js'
import {
  receiveNet,
  receiveOurs,
  roundTripsNet,
  roundTripsOurs,
  type Received,
  type Workload,
} from './workloads.js'

/** Milliseconds that a workload may take beyond its duration. */
const GRACE_MS = 10_000

/** The result of a stream. */
export interface Rate {
  readonly perSecond: number
}

/** The result of a stream, or a summary of the durations of round trips. */
export type Measured = Rate | Summary

export async function measure(library: Library, workload: Workload, signal: AbortSignal): Promise<Measured> {
  const { kind, address } = workload
  if (kind === 'ours') {
    const listener = await library.listen('bench', { path: address })
    try {
      return await withPeer(workload, signal, async () => {
        const connection = await listener.accept({ signal })
        try {
          if (workload.what === 'stream') return rateOf(await receiveOurs(library, connection))
          return summarize(await roundTripsOurs(library, connection, workload, signal))
        } finally {
          connection.destroy()
        }
      })
    } finally {
      listener.close()
    }
  }
  const server = createServer()
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  await new Promise<void>((resolve) => server.listen(address, resolve))
  try {
    return await withPeer(workload, signal, async () => {
      const socket = await accepted
      try {
        if (workload.what === 'stream') return rateOf(await receiveNet(socket))
        return summarize(await roundTripsNet(socket, workload, signal))
      } finally {
        socket.destroy()
      }
    })
  } finally {
    server.close()
  }
}

function rateOf({ messages, elapsedMs }: Received): Rate {
  return { perSecond: Math.round((messages / Math.max(1, elapsedMs)) * 1000) }
}

/**
 * Runs the other process during some work. It is terminated when the work ends, when it hangs, or when the signal
 * fires.
 */
async function withPeer<Result>(
  workload: Workload,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  const child = fork(process.argv[1] ?? '', ['bench'], {
    env: { ...process.env, [PEER_VARIABLE]: JSON.stringify(workload) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const working = work()
  working.catch(() => undefined)
  try {
    return await Promise.race([working, failureOf(child, workload, signal)])
  } finally {
    child.kill('SIGKILL')
  }
}

function failureOf(child: ChildProcess, { durationMs }: Workload, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onFired = (): void => {
      clearTimeout(timer)
      reject(abortedError(signal, 'bench'))
    }
    const timer = setTimeout(() => {
      reject(
        new CommandError(ExitCode.timeout, `the benchmark did not end within ${durationMs + GRACE_MS} ms`),
      )
    }, durationMs + GRACE_MS)
    timer.unref()
    onAbort(signal, onFired)
    child.once('exit', (code) => {
      clearTimeout(timer)
      offAbort(signal, onFired)
      if (code !== 0 && code !== null) {
        reject(
          new CommandError(ExitCode.failed, `the other process of the benchmark ended with code ${code}`),
        )
      }
    })
  })
}
