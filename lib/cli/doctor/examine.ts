// Examines one address: the files, the listener, and an attempt to dial or listen. The attempt is the proof; the other
// facts explain its outcome.

import { hasCode, describeError } from '../../base/errors.js'
import { AbortController, clearTimeout, setTimeout } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import type { DialOptions } from '../../connection/dial.js'
import type { ListenOptions } from '../../connection/listen-options.js'
import type { AddressOptions } from '../../connection/address.js'
import type { Library } from '../kit/load.js'
import { diagnose } from './diagnose.js'
import { describeSelf, examineFiles, examineListeners, type Listeners, type Place } from './files.js'
import type { Report } from './report.js'
import { examineRoom } from './system.js'

/** A listener that refuses this process disconnects within this time. */
const HANG_UP_MS = 300

export interface Question {
  readonly name: string
  readonly options: AddressOptions
  readonly dial: DialOptions
  /** Try to listen instead of dialling. */
  readonly listen: ListenOptions | undefined
  readonly signal: AbortSignal
}

export async function examineAddress(report: Report, library: Library, question: Question): Promise<void> {
  report.add('you', describeSelf())
  const address = resolve(report, library, question)
  if (address === undefined) return
  const windows = process.platform === 'win32'
  const place: Place = windows
    ? { address, directory: '', missing: undefined, socket: undefined }
    : examineFiles(report, address)
  const listeners: Listeners = windows
    ? { pids: [], count: 0, elsewhere: false }
    : examineListeners(report, address)
  if (!windows && place.missing === undefined) examineRoom(report, place.directory)
  if (question.listen === undefined) await tryDial(report, library, question, place, listeners)
  else await tryListen(report, library, question, question.listen, place, listeners)
}

function resolve(report: Report, library: Library, { name, options }: Question): string | undefined {
  try {
    const address = library.resolveAddress(name, options)
    report.add('address', `${address} (${originOf(options)})`)
    return address
  } catch (error) {
    const text = describeError(error)
    report.add('address', text, 'bad')
    if (hasCode(error, 'ERR_IPC_PATH_TOO_LONG')) {
      report.blame('path-too-long', text, 'use a shorter directory or name')
    } else if (text.includes('SENTINEL_IPC_DIRECTORY')) {
      report.blame('environment', text, 'set SENTINEL_IPC_DIRECTORY to an absolute path, or unset it')
    } else {
      report.blame('bad-name', text, "use letters, digits, '.', '_' and '-', or give a path with a slash")
    }
    return undefined
  }
}

function originOf({ directory, path }: AddressOptions): string {
  if (path !== undefined) return 'the path given'
  if (directory !== undefined) return 'from --directory'
  return (process.env['SENTINEL_IPC_DIRECTORY'] ?? '') === '' ? 'the default' : 'from SENTINEL_IPC_DIRECTORY'
}

/** Blames the policy if the error is about it. Returns whether it did. */
function blamePolicy(report: Report, error: unknown): boolean {
  const text = describeError(error)
  if ((error as Error).name !== 'TypeError') return false
  report.blame('bad-policy', text, 'correct the option, or create the user or group')
  return true
}

async function tryDial(
  report: Report,
  library: Library,
  { name, dial, signal }: Question,
  place: Place,
  listeners: Listeners,
): Promise<void> {
  let connection: Connection
  try {
    connection = await library.dial(name, { ...dial, signal })
  } catch (error) {
    report.add('dial', describeError(error), 'bad')
    if (!blamePolicy(report, error)) diagnose(report, { what: 'dial', error, place, listeners })
    return
  }
  const { pid, uid, gid, groups, executable, unit, label } = connection.peer
  const parts = [`pid ${pid}`, `uid ${uid}`, `gid ${gid}`]
  if (groups.length > 0) parts.push(`groups ${groups.join(', ')}`)
  for (const [what, value] of Object.entries({ executable, unit, label })) {
    if (value !== undefined) parts.push(`${what} ${value}`)
  }
  report.add('peer', `${parts.join(', ')}; your policy admits it`)
  const ended = await endsWithin(library, connection, HANG_UP_MS, signal)
  connection.destroy()
  if (!ended) {
    report.add('dial', 'connected, and the listener keeps the connection')
    return
  }
  report.add('dial', 'connected, and the listener hung up at once', 'bad')
  report.blame(
    'refused-by-listener',
    `the listener at ${place.address} (pid ${pid}) lets this user connect and hangs up at once, so its policy or a limit refuses (${describeSelf()})`,
    "name this user in the listener's policy, or raise its maxConnections; 'sentinel-ipc audit' shows the reason",
  )
}

/** Whether the peer ends a connection within some time, without having sent anything. */
async function endsWithin(
  library: Library,
  connection: Connection,
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  const receiver = new library.Receiver(connection, 'doctor', { onInvalid: 'skip' })
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort()
  }, ms)
  try {
    const { done } = await receiver.next({ signal: AbortSignal.any([late.signal, signal]) })
    return done === true
  } catch (error) {
    return !hasCode(error, 'ERR_IPC_ABORTED')
  } finally {
    clearTimeout(timer)
  }
}

async function tryListen(
  report: Report,
  library: Library,
  { name, signal }: Question,
  options: ListenOptions,
  place: Place,
  listeners: Listeners,
): Promise<void> {
  try {
    const listener = await library.listen(name, { ...options, signal })
    listener.close()
    report.add('listen', 'listened there, and stopped again')
  } catch (error) {
    report.add('listen', describeError(error), 'bad')
    if (!blamePolicy(report, error)) diagnose(report, { what: 'listen', error, place, listeners })
  }
}
