// Reads /proc and small files. Results are undefined or empty if a file cannot be read, for example without /proc or
// without permission.

import { readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs'

/** The content of a file; undefined if it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** A socket that listens at a path, from /proc/net/unix. */
export interface ListeningSocket {
  readonly inode: string
  /** Processes that have it open, as far as this user may see them. */
  readonly pids: readonly number[]
}

const LISTENING = 0x10000 // __SO_ACCEPTCON

/** Returns the sockets that were bound to a path and listen, including sockets whose file is gone. */
export function listeningSockets(path: string): readonly ListeningSocket[] {
  const found: ListeningSocket[] = []
  for (const line of (readText('/proc/net/unix') ?? '').split('\n').slice(1)) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, , , flags = '', , , inode = '', ...rest] = line.trim().split(/\s+/)
    if (rest.join(' ') !== path || (Number.parseInt(flags, 16) & LISTENING) === 0) continue
    found.push({ inode, pids: holdersOf(`socket:[${inode}]`) })
  }
  return found
}

function holdersOf(link: string): readonly number[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => list(`/proc/${pid}/fd`).some((fd) => readLink(`/proc/${pid}/fd/${fd}`) === link))
}

/** Returns the process that holds a lock on a file (flock(2)). */
export function lockHolder({ ino }: Stats): number | undefined {
  for (const line of (readText('/proc/locks') ?? '').split('\n')) {
    const [, kind, , , pid, file = ''] = line.trim().split(/\s+/)
    if (kind === 'FLOCK' && file.endsWith(`:${ino}`)) return Number(pid)
  }
  return undefined
}

/** `pid 12 (node server.js), uid 1000, unit soc.service`. */
export function describeProcess(pid: number): string {
  const command = (readText(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((part) => part !== '')
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1]
  const unit = /[^/]+\.(?:service|scope)/.exec(readText(`/proc/${pid}/cgroup`) ?? '')?.[0]
  const shown = command.map((part) => part.replaceAll(/[^\x20-\x7e]/g, '?')).join(' ')
  return [
    `pid ${pid}${shown === '' ? '' : ` (${shown.slice(0, 80)})`}`,
    ...(uid === undefined ? [] : [`uid ${uid}`]),
    ...(unit === undefined ? [] : [`unit ${unit}`]),
  ].join(', ')
}

/** Whether a process sees other files than this one: a chroot, a container, PrivateTmp of systemd. */
export function hasOtherFiles(pid: number): boolean | undefined {
  const theirs = readLink(`/proc/${pid}/ns/mnt`)
  const own = readLink('/proc/self/ns/mnt')
  if (theirs === undefined || own === undefined) return undefined
  return theirs !== own
}
