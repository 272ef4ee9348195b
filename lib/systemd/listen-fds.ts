// The descriptors that systemd passes to a service with socket activation: sd_listen_fds(3),
// sd_listen_fds_with_names(3).

import { checkOptions, flag, type OptionTable } from '../base/options.js'
import { invalid, variable, wholeVariable } from './environment.js'

/** One descriptor of {@link listenFds}. */
export interface ListenFd {
  /** The descriptor, for the option `fd` of `listen`. The first is 3. */
  readonly fd: number
  /** `FileDescriptorName=` of the socket unit: by default the name of that unit; `unknown` if the manager gave none. */
  readonly name: string
}

/** Options of {@link listenFds}. */
export interface ListenFdsOptions {
  /**
   * Removes `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` from the environment, so that programs started by this one
   * do not mistake the descriptors for their own. A second call then returns nothing. Default: true.
   */
  readonly unset?: boolean
}

const OPTIONS: OptionTable<ListenFdsOptions> = { unset: flag }

/** SD_LISTEN_FDS_START */
const FIRST = 3
/** More than a process may have open. */
const MOST = 1 << 20

/**
 * Returns the listening sockets that systemd passed to this process, in the order of the socket unit
 * (sd_listen_fds_with_names(3)); an empty array if it was not started by socket activation, or if they are for another
 * process (`LISTEN_PID`).
 *
 *     const [socket] = listenFds()
 *     const listener = await listen('soc', socket === undefined ? { directory: '/run/soc' } : { fd: socket.fd })
 *
 * Node marks inherited descriptors close-on-exec at its start, so no child process inherits them.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM if a variable has a value that systemd never sets
 * @throws TypeError for an unknown option
 */
export function listenFds(options?: ListenFdsOptions): ListenFd[] {
  const { unset = true } = checkOptions('listenFds', options, OPTIONS)
  try {
    return readListenFds()
  } finally {
    if (unset) {
      delete process.env['LISTEN_PID']
      delete process.env['LISTEN_FDS']
      delete process.env['LISTEN_FDNAMES']
    }
  }
}

function readListenFds(): ListenFd[] {
  const forProcess = wholeVariable('LISTEN_PID')
  if (forProcess !== process.pid) return []
  const count = wholeVariable('LISTEN_FDS') ?? 0
  if (count > MOST) throw invalid('LISTEN_FDS', String(count), `at most ${MOST}`)
  const text = variable('LISTEN_FDNAMES')
  const names = text?.split(':')
  if (text !== undefined && names?.length !== count) {
    throw invalid('LISTEN_FDNAMES', text, `${count} names, one for each descriptor of LISTEN_FDS`)
  }
  return Array.from({ length: count }, (_, i) => ({ fd: FIRST + i, name: names?.[i] ?? 'unknown' }))
}
