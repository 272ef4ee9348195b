// Adds facts to a store on disk until there is no room for more, and reports the error and what the store holds then. The
// test is that it lives to report.

import { LmdbFactStore } from 'sentinel-ipc/lmdb'

const store = await LmdbFactStore.open(process.argv[2] ?? '')

function batch(at: number): Parameters<LmdbFactStore['addBatch']>[0] {
  return Array.from({ length: 100 }, (_, i) => ({
    id: `f${at + i}`,
    content: 'content '.repeat(25),
    level: 0,
    isGene: false,
    source: 'writer',
    createdAt: new Date(0),
  }))
}

let added = 0
let error = ''
let code: unknown
try {
  for (; added < 1_000_000; added += 100) await store.addBatch(batch(added))
} catch (caught) {
  error = caught instanceof Error ? caught.message : ''
  code = caught instanceof Error && 'code' in caught ? caught.code : undefined
}
// An unhandled rejection ends a process in a later turn.
await new Promise((resolve) => setTimeout(resolve, 50))
const { known } = await store.addBatch(batch(0))
process.stdout.write(JSON.stringify({ error, code, added, counted: await store.count(), known }))
process.exit()
