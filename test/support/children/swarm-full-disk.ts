// Adds facts to a store on disk until it is full, then reports the error and the content. The point is that it survives to
// report.

import { LmdbFactStore } from 'sentinel-ipc/lmdb'

const store = new LmdbFactStore(process.argv[2] ?? '')

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
try {
  for (; added < 1_000_000; added += 100) await store.addBatch(batch(added))
} catch (caught) {
  error = caught instanceof Error ? caught.message : ''
}
// Unhandled rejections end a process in a later turn.
await new Promise((resolve) => setTimeout(resolve, 50))
const { known } = await store.addBatch(batch(0))
process.stdout.write(JSON.stringify({ error, added, counted: await store.count(), known }))
process.exit()
