// What needs the optional peer dependency `lmdb`: import it as `sentinel-ipc/lmdb`. Re-exports only.
export { LmdbFactStore, type LmdbFactStoreOptions } from './fact-store.js'
