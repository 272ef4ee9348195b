// Listening sockets as /proc/net lists them (proc_net(5)), and which process holds them.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface ListeningSocket {
  readonly protocol: 'tcp' | 'tcp6' | 'udp' | 'udp6' | 'unix'
  /** Address, or path of a Unix socket; `@name` where it is not in the file system. */
  readonly address: string
  readonly port?: number
  readonly inode: number
}

const TCP_LISTEN = '0A'
/** A UDP socket with no peer: the nearest to listening that UDP has. */
const UDP_UNCONNECTED = '07'
/** __SO_ACCEPTCON in the flags of a Unix socket: its owner has called listen(2). */
const UNIX_LISTENING = 0x1_0000

/** All listening sockets of this network namespace. Tables that cannot be read are left out. */
export function listListeners(): ListeningSocket[] {
  return [
    ...inetSockets('tcp', TCP_LISTEN),
    ...inetSockets('tcp6', TCP_LISTEN),
    ...inetSockets('udp', UDP_UNCONNECTED),
    ...inetSockets('udp6', UDP_UNCONNECTED),
    ...unixSockets(),
  ]
}

function table(name: string): string[] {
  try {
    return readFileSync(`/proc/net/${name}`, 'utf8').split('\n').slice(1)
  } catch {
    return []
  }
}

function inetSockets(protocol: 'tcp' | 'tcp6' | 'udp' | 'udp6', wanted: string): ListeningSocket[] {
  const clientPort = protocol.startsWith('udp') ? clientPorts() : undefined
  return table(protocol).flatMap((line): ListeningSocket[] => {
    const columns = line.trim().split(/\s+/)
    if (columns[3] !== wanted) return []
    const [hexAddress = '', hexPort = ''] = (columns[1] ?? '').split(':')
    const port = Number.parseInt(hexPort, 16)
    // A process that asks a name server holds such a socket for a moment.
    if (clientPort?.(port) === true) return []
    return [{ protocol, address: inetAddress(hexAddress), port, inode: Number(columns[9]) }]
  })
}

function clientPorts(): (port: number) => boolean {
  try {
    const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    const [first = 0, last = 0] = range.trim().split(/\s+/).map(Number)
    return (port) => port >= first && port <= last
  } catch {
    return () => false
  }
}

/** `0100007F` is 127.0.0.1: words of four bytes in the byte order of the machine, which is little endian. */
function inetAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? []
  const bytes = words.flatMap((word) => [...Buffer.from(word, 'hex').reverse()])
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0)).toString(16),
  )
  const text = groups.join(':')
  const zeros = /(?:^|:)0(?::0)+(?:$|:)/.exec(text)?.[0]
  return zeros === undefined ? text : text.replace(zeros, '::')
}

function unixSockets(): ListeningSocket[] {
  return table('unix').flatMap((line): ListeningSocket[] => {
    // Num: RefCount Protocol Flags Type St Inode Path
    const match = /^\S+ \S+ \S+ ([0-9A-F]+) \S+ \S+ +(\d+)(?: (.*))?$/.exec(line)
    if (match === null || (Number.parseInt(match[1] ?? '', 16) & UNIX_LISTENING) === 0) return []
    return [{ protocol: 'unix', address: match[3] ?? '', inode: Number(match[2]) }]
  })
}

/** Which process holds each of these sockets, as far as this user may see. */
export function ownersOf(inodes: ReadonlySet<number>, pids: readonly number[]): Map<number, number> {
  const owners = new Map<number, number>()
  // A process that has just opened a socket is likely to be young.
  for (const pid of [...pids].sort((a, b) => b - a)) {
    if (owners.size === inodes.size) break
    for (const link of openSockets(pid)) {
      if (inodes.has(link)) owners.set(link, pid)
    }
  }
  return owners
}

function openSockets(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${descriptor}`))?.[1]
      return inode === undefined ? [] : [Number(inode)]
    })
  } catch {
    return []
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
