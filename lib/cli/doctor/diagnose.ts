// Derives one cause and one remedy from an error of `listen` or `dial` and the files around the address.

import { dirname } from 'node:path'

import type { RefusalReason } from '../../base/error-reasons.js'
import { describeError, hasCode, isError } from '../../base/errors.js'
import { describeSelf, type Listeners, type Place } from './files.js'
import type { Report } from './report.js'

/** A failed attempt, and the facts about the address. */
export interface Attempt {
  readonly what: 'listen' | 'dial'
  readonly error: unknown
  readonly place: Place
  readonly listeners: Listeners
}

/** Blames one cause for a failed attempt. */
export function diagnose(report: Report, attempt: Attempt): void {
  const { error } = attempt
  if (hasCode(error, 'ERR_IPC_NOT_LISTENING')) diagnoseNothing(report, attempt)
  else if (hasCode(error, 'ERR_IPC_ACCESS_DENIED')) diagnoseDenial(report, attempt)
  else if (hasCode(error, 'ERR_IPC_UNSAFE_PATH')) diagnoseUnsafe(report, attempt)
  else if (hasCode(error, 'ERR_IPC_PEER_REJECTED', 'ERR_IPC_PEER_UNKNOWN')) diagnoseRejection(report, attempt)
  else if (hasCode(error, 'ERR_IPC_ADDRESS_IN_USE')) diagnoseUse(report, attempt)
  else if (hasCode(error, 'ERR_IPC_TIMEOUT')) {
    report.blame(
      'busy',
      `the listener at ${attempt.place.address} accepts no connection: its queue is full`,
      'examine the listening process: it hangs, is stopped, or accepts too slowly (backlog of listen)',
    )
  } else diagnoseSystem(report, attempt)
}

/** The system error behind an error. */
function systemCode(error: unknown): string {
  for (let at: unknown = error; isError(at); at = at.cause) {
    const { code } = at as NodeJS.ErrnoException
    if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return code
  }
  return ''
}

function diagnoseNothing(report: Report, { place, listeners }: Attempt): void {
  const { address, missing, socket, directory } = place
  if (listeners.elsewhere && socket === undefined) {
    report.blame(
      'other-mount',
      `a process listens at ${address}, but among other files: a container, a chroot, or PrivateTmp of systemd`,
      'use a directory that both see, such as /run/<unit> or a shared mount, with --directory or SENTINEL_IPC_DIRECTORY',
    )
  } else if (listeners.count > 0 && socket === undefined) {
    report.blame(
      'removed',
      `the socket file ${address} was removed while its listener lives`,
      "restart the listener, and give it 'reclaim: true' or a directory that no cleaner of /tmp touches",
    )
  } else if (missing !== undefined) {
    report.blame(
      'no-directory',
      `the directory ${missing} does not exist, so nothing can listen at ${address}`,
      'start the listener, which makes the last component, or create the directory; check --directory and SENTINEL_IPC_DIRECTORY',
    )
  } else if (socket !== undefined && listeners.count > 0) {
    report.blame(
      'removed',
      `${address} was replaced: another listener bound this path before, and its socket is not the file there now`,
      "restart the listener, and give it 'reclaim: true'",
    )
  } else if (socket !== undefined) {
    report.blame(
      'stale',
      `the socket ${address} is left over: the process that made it has ended`,
      'start the listener; listen replaces the socket of a dead listener',
    )
  } else {
    report.blame(
      'nothing',
      `nothing listens at ${address}`,
      `start the listener, or check that it uses the same name and directory (${directory})`,
    )
  }
}

function diagnoseDenial(report: Report, { what, error, place }: Attempt): void {
  const text = describeError(error)
  const { address, directory } = place
  const self = describeSelf()
  const [, closed] = /the directory (\S+) (?:belongs|cannot).*search the directory/.exec(text) ?? []
  if (systemCode(error) === 'EROFS') {
    diagnoseSystem(report, { what, error, place, listeners: { pids: [], count: 0, elsewhere: false } })
  } else if (closed !== undefined) {
    report.blame(
      'directory-closed',
      `the directory ${closed} does not let this user in (${self})`,
      `permit this user or its group to search it: chmod +x, or chgrp to a group of this user`,
    )
  } else if (what === 'listen') {
    report.blame(
      'directory-not-writable',
      `this user may not create files in ${directory} (${self})`,
      'use a directory that this user can write to, such as /run/<unit> (RuntimeDirectory= of systemd)',
    )
  } else if (mayWrite(place)) {
    report.blame(
      'security-module',
      `the permissions of ${address} let this user in, but the system refuses the connection`,
      'look for a denial of SELinux, AppArmor, Landlock or seccomp in the log of the kernel, and allow connectto',
    )
  } else {
    report.blame(
      'socket-closed',
      `the socket ${address} does not let this user connect (${self})`,
      'have the listener use mode 0o660 with a group of this user, or 0o666, and name this user in its policy',
    )
  }
}

/** Whether the mode of the socket lets this user connect. */
function mayWrite({ socket }: Place): boolean {
  if (socket === undefined) return false
  const uid = process.geteuid?.() ?? -1
  if (uid === 0) return true
  if (socket.uid === uid) return (socket.mode & 0o200) !== 0
  const groups = [process.getegid?.() ?? -1, ...(process.getgroups?.() ?? [])]
  return (socket.mode & (groups.includes(socket.gid) ? 0o020 : 0o002)) !== 0
}

function diagnoseUnsafe(report: Report, { error, place }: Attempt): void {
  const text = describeError(error).replace(/ \([a-z]+\)$/, '')
  const { address } = place
  const [, path = dirname(address)] = /(?:directory|link) (\S+) (?:belongs|is writable)/.exec(text) ?? []
  if (text.startsWith('symbolic link')) {
    report.blame(
      'link-of-other',
      text,
      `replace the link ${path} by one of this user or root, or give the path it leads to`,
    )
  } else if (/^directory \S+ belongs/.test(text)) {
    report.blame(
      'directory-of-other',
      text,
      `use a directory of this user or of root, or chown ${path}; run listener and client under one user or below root's directories`,
    )
  } else if (text.includes('is writable by others')) {
    report.blame('directory-shared', text, `chmod go-w ${path}, or chmod +t ${path} as with /tmp`)
  } else if (text.includes('is not a socket')) {
    report.blame('not-a-socket', text, `remove ${address}, or use another name`)
  } else if (text.includes('.lock')) {
    report.blame(
      'lock-unsafe',
      text,
      `remove ${address}.lock if no listener of another user is meant to be there`,
    )
  } else {
    report.blame('other', text, 'use another directory or name')
  }
}

const PROGRAM_RULE = /^(executable|unit|label)/

function diagnoseRejection(report: Report, { error, place }: Attempt): void {
  const { reason } = error as { reason?: RefusalReason }
  const text = describeError(error)
  const [, who = 'unknown'] = /\((uid[^)]*|sid[^)]*)\)/.exec(text) ?? []
  if (reason === 'foreign-process') {
    report.blame(
      'other-container',
      `the listener at ${place.address} runs in another pid namespace (${who})`,
      "run both in one pid namespace, or give the policy foreignNamespaces: 'by-uid' (--foreign-namespaces)",
    )
  } else if (reason === 'unmapped-user') {
    report.blame(
      'unmapped-user',
      `the user of the listener at ${place.address} has no id in this user namespace`,
      'map that user into this namespace (newuidmap(1)), or run both in one user namespace',
    )
  } else if (reason !== undefined && PROGRAM_RULE.test(reason)) {
    report.blame(
      'wrong-program',
      `the policy of this command refuses the listener by its ${reason.split('-')[0] ?? ''} (${who})`,
      'check --allow-executable, --allow-unit and --allow-label, or what runs there',
    )
  } else {
    report.blame(
      'wrong-user',
      `the listener at ${place.address} belongs to no user that the policy admits (${who}; reason ${reason ?? 'unknown'})`,
      `if that is the service that you expect, name its user: policy { users: [${/uid (\d+)/.exec(who)?.[1] ?? '…'}] } (--allow-user); if not, find out who took the name`,
    )
  }
}

function diagnoseUse(report: Report, { place, listeners }: Attempt): void {
  const [pid] = listeners.pids
  const who = pid === undefined ? 'another listener' : `pid ${pid}`
  report.blame(
    'in-use',
    `${who} listens at ${place.address} already, or its files are there`,
    'stop that listener, use another name, or wait for it with waitMs of listen; a leftover of another user must be removed',
  )
}

function diagnoseSystem(report: Report, { error, place }: Attempt): void {
  const text = describeError(error)
  const { address, directory, missing } = place
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      report.blame(
        'disk-full',
        `there is no room for a file in ${directory} (${text})`,
        'free space or inodes there (df, df -i), or use another directory such as /run/<unit>',
      )
      return
    case 'EROFS':
      report.blame(
        'read-only',
        `${directory} is on a file system that is mounted read-only`,
        'use a directory that can be written to, such as /run/<unit>; in a container, mount one',
      )
      return
    case 'ENOTDIR':
      report.blame(
        'not-a-directory',
        `something on the way to ${address} is not a directory (${text})`,
        'remove it or use another directory; check --directory and SENTINEL_IPC_DIRECTORY',
      )
      return
    case 'ENOENT':
      report.blame(
        'no-directory',
        `the directory ${missing ?? directory} does not exist`,
        'create it: listen makes only the last component',
      )
      return
    case 'ELOOP':
      report.blame(
        'link-loop',
        `the symbolic links on the way to ${address} lead in a circle`,
        'remove the link that leads back',
      )
      return
    case 'EMFILE':
    case 'ENFILE':
      report.blame(
        'no-descriptors',
        `there is no free descriptor (${text})`,
        'raise the limit (ulimit -n, LimitNOFILE= of systemd), or look for descriptors that are never closed (lsof)',
      )
      return
    default:
      report.blame('other', text, 'look at the error of the system; SENTINEL_IPC_DEBUG=1 shows the stack')
  }
}
