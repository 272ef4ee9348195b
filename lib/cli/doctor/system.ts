// Examines the system: kernel support, security module, namespaces, limits, and free room in the directory of the
// socket.

import { existsSync, statfsSync } from 'node:fs'
import { release } from 'node:os'

import { formatBytes } from '../kit/units.js'
import { readLink, readText } from './proc.js'
import type { Report } from './report.js'

/** Features by version of Linux, and the consequence of a missing one. */
const SUPPORT: readonly (readonly [since: readonly [number, number], name: string, without: string])[] = [
  [[4, 13], 'SO_PEERGROUPS', 'policies by group see only the main group of a peer'],
  [
    [6, 5],
    'SO_PEERPIDFD',
    'executables and units of peers are unknown, and peerExited fires with the connection',
  ],
]

export function examineSystem(report: Report): void {
  if (process.platform !== 'linux') {
    report.add('system', `${process.platform} ${release()}`)
    return
  }
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10))
  const has = (since: readonly [number, number]): boolean =>
    major > since[0] || (major === since[0] && minor >= since[1])
  const there = SUPPORT.filter(([since]) => has(since)).map(([, name]) => name)
  report.add('kernel', `Linux ${release()}: ${there.join(', ')}`)
  for (const [since, name, without] of SUPPORT) {
    if (!has(since)) report.add('kernel', `no ${name} before Linux ${since.join('.')}: ${without}`, 'note')
  }
  examineSecurityModule(report)
  examineNamespaces(report)
  examineLimits(report)
}

function examineSecurityModule(report: Report): void {
  const label = (readText('/proc/self/attr/current') ?? '').replace(/[\0\n]+$/, '')
  const modules = readText('/sys/kernel/security/lsm')?.trim()
  const parts = [...(modules === undefined ? [] : [modules]), label === '' ? 'no label' : `label ${label}`]
  report.add('security', parts.join('; '))
}

function examineNamespaces(report: Report): void {
  const map = readText('/proc/self/uid_map')?.trim().split(/\s+/).map(Number) ?? []
  const whole = map[0] === 0 && map[1] === 0 && map[2] === 0xffff_ffff
  const pids = /^NSpid:\s+(.+)$/m.exec(readText('/proc/self/status') ?? '')?.[1]?.split(/\s+/) ?? []
  const container =
    existsSync('/.dockerenv') || existsSync('/run/.containerenv') || (readText('/proc/1/comm') ?? '') === ''
  const parts = [
    whole ? 'user namespace of the machine' : `a user namespace of its own (uid_map ${map.join(' ')})`,
    pids.length > 1 ? `a pid namespace of its own (${pids.join(' in ')})` : `pid namespace ${idOf('pid')}`,
    `mounts ${idOf('mnt')}`,
  ]
  report.add(
    'namespaces',
    `${parts.join(', ')}${container ? '; this is a container' : ''}`,
    whole ? 'ok' : 'note',
  )
}

function idOf(kind: string): string {
  return /\d+/.exec(readLink(`/proc/self/ns/${kind}`) ?? '')?.[0] ?? 'unknown'
}

/** A limit below this leaves too few descriptors to accept clients. */
const FEW_DESCRIPTORS = 64

function examineLimits(report: Report): void {
  const [, limit = ''] = /^Max open files\s+(\d+|unlimited)/m.exec(readText('/proc/self/limits') ?? '') ?? []
  const backlog = readText('/proc/sys/net/core/somaxconn')?.trim() ?? 'unknown'
  const few = limit !== '' && limit !== 'unlimited' && Number(limit) < FEW_DESCRIPTORS
  report.add('limits', `${limit} open files (ulimit -n), backlog of at most ${backlog}`, few ? 'note' : 'ok')
}

/** Reports the free room in the directory of the socket. */
export function examineRoom(report: Report, directory: string): void {
  try {
    const { bavail, bsize, ffree, files } = statfsSync(directory)
    const full = bavail === 0 || (files > 0 && ffree === 0)
    const inodes = files > 0 ? `, ${ffree} files` : ''
    report.add('room', `${formatBytes(bavail * bsize)}${inodes} free in ${directory}`, full ? 'note' : 'ok')
  } catch {
    // The examination of the directories reports why.
  }
}
