// sentinel-ipc/lmdb: everything that needs the optional peer dependency `lmdb`. Re-exports only.
export { LmdbFactStore, type LmdbFactStoreOptions } from './fact-store.js'
