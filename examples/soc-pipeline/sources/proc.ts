// This machine's own activity: processes and listening sockets that were not there before, found by looking at /proc
// repeatedly. Processes that end between two looks are not seen.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

import { listListeners, ownersOf, type ListeningSocket } from './proc-net.js'

const LOOK_EVERY_MS = 100
/** Listening sockets change more rarely, and the tables are longer. */
const LOOKS_PER_SOCKET_LOOK = 5

export interface Observation {
  readonly form: 'process' | 'listener'
  readonly event: Readonly<Record<string, unknown>>
}

/** Watches until `stop` fires; the text of the first run describes what is there already. */
export async function* watchMachine(
  stop: AbortSignal,
  onBaseline: (processes: number, sockets: number) => void,
): AsyncGenerator<Observation[], void, undefined> {
  const host = hostname()
  let processes = new Set(processIds())
  let sockets = new Map(listListeners().map((socket) => [keyOf(socket), socket]))
  onBaseline(processes.size, sockets.size)
  for (let look = 1; ; ++look) {
    try {
      await sleep(LOOK_EVERY_MS, undefined, { signal: stop })
    } catch {
      return // stopped
    }
    const found: Observation[] = []
    const pids = processIds()
    for (const pid of pids) {
      const event = processes.has(pid) ? undefined : describeProcess(pid, host)
      if (event !== undefined) found.push({ form: 'process', event })
    }
    processes = new Set(pids)
    if (look % LOOKS_PER_SOCKET_LOOK === 0) {
      const now = new Map(listListeners().map((socket) => [keyOf(socket), socket]))
      const fresh = [...now].filter(([key]) => !sockets.has(key)).map(([, socket]) => socket)
      found.push(...describeSockets(fresh, host))
      sockets = now
    }
    if (found.length > 0) yield found
  }
}

function processIds(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
}

/**
 * Undefined when the process is gone again. One that is seen between its fork and its exec still looks like its parent.
 */
function describeProcess(pid: number, host: string): Record<string, unknown> | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ')
    return {
      host,
      time: new Date().toISOString(),
      pid,
      ppid: Number(statusField(status, 'PPid')),
      uid: Number(statusField(status, 'Uid').split(/\s/)[0]),
      name: statusField(status, 'Name'),
      exe: readExe(pid),
      // Command lines can be megabytes long.
      cmdline: commandLine.slice(0, 4096),
    }
  } catch {
    return undefined
  }
}

function statusField(status: string, name: string): string {
  return new RegExp(String.raw`^${name}:\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
}

/** Null for kernel threads, and for processes of other users that this one may not inspect. */
function readExe(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return null
  }
}

function describeSockets(sockets: readonly ListeningSocket[], host: string): Observation[] {
  if (sockets.length === 0) return []
  const owners = ownersOf(new Set(sockets.map((socket) => socket.inode)), processIds())
  return sockets.map((socket) => {
    const pid = owners.get(socket.inode)
    return {
      form: 'listener',
      event: {
        host,
        time: new Date().toISOString(),
        ...socket,
        pid: pid ?? null,
        exe: pid === undefined ? null : readExe(pid),
      },
    }
  })
}

function keyOf({ protocol, address, port, inode }: ListeningSocket): string {
  return `${protocol} ${address} ${port ?? ''} ${inode}`
}
