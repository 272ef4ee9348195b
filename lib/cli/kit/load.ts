// Loads the library, and with it the addon, when a command first needs it: help, completion and doctor work without it.

/** The parts of the library that the commands use. */
export type Library = typeof import('./library.js')

/** @throws {IpcError} ERR_IPC_SYSTEM if no binary of the addon loads here */
export function loadLibrary(): Promise<Library> {
  return import('./library.js')
}

/** The part of the library that the command `bridge` uses. */
export type BridgeLibrary = typeof import('./bridge-library.js')

/** Rejects with the error of Node if a package that the bridge needs is not installed. */
export function loadBridge(): Promise<BridgeLibrary> {
  return import('./bridge-library.js')
}
