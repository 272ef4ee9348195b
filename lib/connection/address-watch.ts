// Notices that the path of a listening socket no longer leads to it: a cleaner removed the file, or another process
// replaced it. Such a listener appears to be alive but gets no clients.

import { lstatSync } from 'node:fs'

/** What is at the address of a listener that lost it. */
export type AddressFound = 'nothing' | 'another-file'

/**
 * The file that a listener bound, by device and inode. While the socket is open, no other file gets the inode; later,
 * only {@link BoundFile.found} says what is there.
 */
export class BoundFile {
  readonly #path: string
  readonly #identity: string | undefined

  /** Call right after binding. */
  constructor(path: string) {
    this.#path = path
    this.#identity = identityOf(path)
  }

  /**
   * Returns what is at the path instead of the socket; undefined if the socket is there, or if that cannot be
   * determined. A file that was gone before it could be looked at is lost, too.
   */
  lostTo(): AddressFound | undefined {
    const now = identityOf(this.#path)
    if (this.#identity === undefined || now === undefined) return undefined
    return now === this.#identity && now !== NO_FILE ? undefined : describe(now)
  }

  /** Returns what is at the path now that the socket is closed. */
  found(): AddressFound {
    return describe(identityOf(this.#path))
  }
}

const NO_FILE = ''

function describe(identity: string | undefined): AddressFound {
  return identity === NO_FILE ? 'nothing' : 'another-file'
}

/**
 * Returns device and inode of the file at a path; undefined if they cannot be determined: on Windows, or after this
 * process gave up the right to search the directory.
 */
function identityOf(path: string): string | undefined {
  if (path === '' || process.platform === 'win32') return undefined
  try {
    const { dev, ino } = lstatSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? NO_FILE : undefined
  }
}
