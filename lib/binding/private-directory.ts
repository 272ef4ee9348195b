// A directory that only this user can enter, and the files in it: opened natively, checked by descriptor, and closed at
// the end of the environment. For a spool, a database, a registry; see OpenPrivateDirectory in
// native/platform/platform.h.

import { resolve } from 'node:path'

import { addon, FileAccess } from './addon.js'

export class PrivateDirectory {
  /** Absolute path. */
  readonly path: string
  readonly #id: number
  readonly #descriptors = new Set<number>()

  private constructor(path: string, id: number) {
    this.path = path
    this.#id = id
  }

  /**
   * Opens a directory, component by component: every directory and symbolic link on the way belongs to this user or to
   * root, and no other user can replace one. The directory itself is this user's, without access for others.
   *
   * @param options.create create missing directories of the path, with mode 0700. Default: false
   * @param options.lockName claim the directory by an exclusive lock on this file. It excludes other threads,
   *   processes, containers and users, until `close` or the end of the thread or process.
   * @throws what `fromNative` turns into an IpcError: ERR_IPC_UNSAFE_PATH, ERR_IPC_ADDRESS_IN_USE (claimed already),
   *   ERR_IPC_SYSTEM
   */
  static async open(
    directory: string,
    { create = false, lockName = '' }: { create?: boolean; lockName?: string } = {},
  ): Promise<PrivateDirectory> {
    const path = resolve(directory)
    return new PrivateDirectory(path, await addon.openDirectory(path, create, lockName))
  }

  list(): Promise<string[]> {
    return addon.listDirectory(this.#id)
  }

  /**
   * Opens a regular file of this user that has one name and no access for others: `create` makes it (mode 0600) and
   * fails if it exists, `write` reads and writes an existing one. Resolves with a descriptor for node:fs; close it with
   * {@link closeFile}.
   */
  async openFile(name: string, access: keyof typeof FileAccess): Promise<number> {
    const descriptor = await addon.openFile(this.#id, name, FileAccess[access])
    this.#descriptors.add(descriptor)
    return descriptor
  }

  /** Safe to call again. */
  closeFile(descriptor: number): void {
    if (!this.#descriptors.delete(descriptor)) return
    addon.closeFile(descriptor)
  }

  /**
   * Checks that a file exists and is one that {@link openFile} opens, without opening it: closing any descriptor of a
   * file ends all locks of fcntl(2) that this process holds on it.
   */
  checkFile(name: string): Promise<void> {
    return addon.checkFile(this.#id, name)
  }

  /** Renames a file, and atomically replaces a file that already has the new name. */
  renameFile(from: string, to: string): Promise<void> {
    return addon.renameFile(this.#id, from, to)
  }

  /** Deletes a file. It may be absent. */
  removeFile(name: string): Promise<void> {
    return addon.removeFile(this.#id, name)
  }

  /** Resolves once files that were created and deleted survive a loss of power. */
  sync(): Promise<void> {
    return addon.syncDirectory(this.#id)
  }

  /** Closes the directory and all its open files, and ends the claim. Nothing may be under way. */
  close(): void {
    for (const descriptor of [...this.#descriptors]) this.closeFile(descriptor)
    addon.closeDirectory(this.#id)
  }
}
