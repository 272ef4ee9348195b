// Notices that the path of a listening socket no longer leads to it: a cleaner removed the file, or another process
// replaced it. Such a listener appears to be alive but gets no clients.

import { addon } from '../binding/addon.js'

/** What is at the address of a listener that lost it. */
export type AddressFound = 'nothing' | 'another-file'

/**
 * The file that a listener bound, by device and inode. While the socket is open, no other file gets the inode; later,
 * only {@link BoundFile.found} says what is there.
 */
export class BoundFile {
  readonly #path: string
  readonly #identity: string | null

  /**
   * @param identity identifies the file, as the addon did when it made the socket. null: the socket was made by another
   *   program, so what is at the path now counts as its file.
   */
  constructor(path: string, identity: string | null) {
    this.#path = path
    this.#identity = identity ?? identityOf(path)
  }

  /**
   * Returns what is at the path instead of the socket; undefined if the socket is there, or if that cannot be
   * determined. A file that was gone before it could be looked at is lost, too.
   */
  lostTo(): AddressFound | undefined {
    const now = identityOf(this.#path)
    if (this.#identity === null || now === null) return undefined
    return now === this.#identity && now !== NO_FILE ? undefined : describe(now)
  }

  /** Returns what is at the path now that the socket is closed. */
  found(): AddressFound {
    return describe(identityOf(this.#path))
  }
}

const NO_FILE = ''

function describe(identity: string | null): AddressFound {
  return identity === NO_FILE ? 'nothing' : 'another-file'
}

/**
 * Returns the identity of the file at a path; null if it cannot be determined: on Windows, or after this process gave up
 * the right to search the directory.
 */
function identityOf(path: string): string | null {
  return path === '' ? null : addon.fileAt(path)
}
