// Adds batches of 1000 facts to a store on disk until it is killed, and reports how many are flushed.

import { LmdbFactStore } from 'sentinel-ipc/lmdb'

const { path } = JSON.parse(process.argv[2] ?? '{}') as { path: string }
const store = await LmdbFactStore.open(path)
for (let at = 0; ; at += 1000) {
  await store.addBatch(
    Array.from({ length: 1000 }, (_, i) => ({
      id: `f${at + i}`,
      content: 'content',
      level: 0 as const,
      isGene: false,
      source: 'writer',
      createdAt: new Date(),
    })),
  )
  if (at % 3000 !== 0) continue
  await store.flush()
  process.send?.({ flushed: at + 1000 })
}
