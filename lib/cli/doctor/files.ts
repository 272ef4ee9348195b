// The files of an address: each directory of the path, as the library checks it, the socket, and the lock.

import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'

import { describeProcess, hasOtherFiles, listeningSockets, lockHolder, readText } from './proc.js'
import type { Report } from './report.js'

/** Maximum number of links followed, the same as in the library (path_resolution(7)). */
const MOST_LINKS = 40

/** The files of an address. */
export interface Place {
  readonly address: string
  readonly directory: string
  /** The first path on the way that does not exist; undefined if the directory exists or a path cannot be examined. */
  readonly missing: string | undefined
  readonly socket: Stats | undefined
}

export function examineFiles(report: Report, address: string): Place {
  const directory = dirname(address)
  const missing = walk(report, directory)
  const socket = examineSocket(report, address)
  if (missing === undefined) examineLock(report, `${address}.lock`)
  return { address, directory, missing, socket }
}

/** Returns the first path that does not exist; undefined if there is none, or one cannot be examined. */
function walk(report: Report, directory: string): string | undefined {
  const pending = directory.split(sep).filter((part) => part !== '')
  let at: string = sep
  let links = 0
  describeRoot(report)
  while (pending.length > 0) {
    const next = join(at, pending.shift() ?? '')
    let stats: Stats
    try {
      stats = lstatSync(next)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      report.add(
        'directory',
        `${next} ${code === 'ENOENT' ? 'does not exist' : `cannot be seen (${code ?? ''})`}`,
        'note',
      )
      return code === 'ENOENT' ? next : undefined
    }
    describe(report, next, stats)
    if (stats.isSymbolicLink()) {
      if (++links > MOST_LINKS) return undefined
      const target = readlinkSync(next)
      pending.unshift(...target.split(sep).filter((part) => part !== ''))
      at = isAbsolute(target) ? sep : at
    } else if (stats.isDirectory()) {
      at = next
    } else {
      return undefined
    }
  }
  return undefined
}

/** Node's permission model may hide even this. */
function describeRoot(report: Report): void {
  try {
    describe(report, sep, lstatSync(sep))
  } catch {
    report.add('directory', `${sep} cannot be seen`, 'note')
  }
}

function describe(report: Report, path: string, stats: Stats): void {
  const own = process.geteuid?.() ?? -1
  const trusted = stats.uid === 0 || stats.uid === own
  const text = `${path} ${describeOwner(stats)}`
  if (stats.isSymbolicLink()) {
    report.add(
      'link',
      `${text}, leads to ${resolve(dirname(path), readlinkSync(path))}`,
      trusted ? 'ok' : 'note',
    )
  } else if (!stats.isDirectory()) {
    report.add('directory', `${text} is not a directory`, 'bad')
  } else {
    const shared = (stats.mode & 0o022) !== 0 && (stats.mode & 0o1000) === 0
    report.add('directory', text, trusted && !shared ? 'ok' : 'note')
  }
}

/** `root:root 0755`. */
export function describeOwner({ uid, gid, mode }: Stats): string {
  const bits = (mode & 0o7777).toString(8).padStart(4, '0')
  return `${nameOf('/etc/passwd', uid)}:${nameOf('/etc/group', gid)} ${bits}`
}

/** Returns the name of an id; the id itself if it has no name. */
function nameOf(file: string, id: number): string {
  const line = (readText(file) ?? '').split('\n').find((entry) => entry.split(':')[2] === String(id))
  return line?.split(':')[0] ?? String(id)
}

/** `uid 1000 (alice), gid 1000, groups 4, 27`. */
export function describeSelf(): string {
  const uid = process.geteuid?.()
  if (uid === undefined) return `user ${process.env['USERNAME'] ?? 'unknown'}`
  const groups = process.getgroups?.().join(', ') ?? ''
  const name = nameOf('/etc/passwd', uid)
  const shown = name === String(uid) ? '' : ` (${name})`
  return `uid ${uid}${shown}, gid ${process.getegid?.() ?? -1}${groups === '' ? '' : `, groups ${groups}`}`
}

function examineSocket(report: Report, address: string): Stats | undefined {
  try {
    const stats = lstatSync(address)
    const kind = stats.isSocket() ? 'socket' : 'file'
    const text = `${address} ${describeOwner(stats)}${stats.isSocket() ? '' : ' is not a socket'}`
    report.add(kind, text, stats.isSocket() ? 'ok' : 'bad')
    return stats
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const text = code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : `cannot be seen (${code})`
    report.add('socket', `${address} ${text}`, 'note')
    return undefined
  }
}

function examineLock(report: Report, path: string): void {
  try {
    const stats = lstatSync(path)
    const holder = lockHolder(stats)
    const held = holder === undefined ? 'not held' : `held by ${describeProcess(holder)}`
    report.add('lock', `${path} ${describeOwner(stats)}, ${held}`)
  } catch {
    // No lock: no listener of this library is there, or this user may not see it.
  }
}

/** Processes that listen at a path of this name, wherever their file is. */
export interface Listeners {
  readonly pids: readonly number[]
  readonly count: number
  /** Whether one of them sees other files than this process. */
  readonly elsewhere: boolean
}

export function examineListeners(report: Report, address: string): Listeners {
  const sockets = listeningSockets(address)
  const pids = [...new Set(sockets.flatMap((socket) => socket.pids))]
  for (const pid of pids) report.add('listener', describeProcess(pid))
  if (pids.length === 0 && sockets.length > 0) {
    report.add('listener', 'a process that this user may not see listens here')
  }
  return { pids, count: sockets.length, elsewhere: pids.some((pid) => hasOtherFiles(pid) === true) }
}
