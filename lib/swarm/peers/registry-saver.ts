// Saves a registry to its storage: one save at a time, and one for all calls that come meanwhile.
//
//   saved ──changed──▶ changed ──save──▶ waiting ──its turn──▶ saving ──done──▶ saved
//                        ▲                                       └──fails──▶ changed

import type { RegistrySnapshot } from './peer-record.js'
import type { RegistryStorage } from './registry-storage.js'

export class RegistrySaver {
  readonly #storage: RegistryStorage | undefined
  readonly #snapshot: () => RegistrySnapshot
  #saving: Promise<void> = Promise.resolve()
  /** A save that has not begun, and so will include every change until then. */
  #nextSave: Promise<void> | undefined
  /** Counts changes, so that nothing is saved twice. */
  #version = 0
  #savedVersion = -1

  constructor(storage: RegistryStorage | undefined, snapshot: () => RegistrySnapshot) {
    this.#storage = storage
    this.#snapshot = snapshot
  }

  /** Notes that there is something new to save. */
  changed(): void {
    ++this.#version
  }

  /** Notes that the storage already has the current state. */
  loaded(): void {
    this.#savedVersion = this.#version
  }

  /** As `PeerRegistry.save`. */
  save(): Promise<void> {
    const storage = this.#storage
    if (storage === undefined) return Promise.resolve()
    if (this.#nextSave !== undefined) return this.#nextSave
    // One after the other, so that an older state never replaces a newer one.
    const saved = this.#saving.then(async () => {
      this.#nextSave = undefined
      const version = this.#version
      if (version === this.#savedVersion) return
      await storage.save(this.#snapshot())
      this.#savedVersion = version
    })
    this.#nextSave = saved
    this.#saving = saved.catch(() => undefined)
    return saved
  }
}
