// What needs the optional peer dependency `lmdb`, imported as `sentinel-ipc/lmdb`. Re-exports only.
export { LmdbFactStore, type LmdbFactStoreOptions } from './fact-store.js'
