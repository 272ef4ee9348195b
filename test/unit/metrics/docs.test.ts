// The page and the dashboard name the metrics that there are, and the sample of the page runs.

import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'

import { METRICS, type MetricName } from '../../../lib/metrics/definitions.js'
import { openTelemetryName } from '../../../lib/metrics/opentelemetry.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
const HISTOGRAM = 'request_duration_seconds'

it('documents every metric', () => {
  const [table = ''] = /\| metric [^]*?\n\n/.exec(page) ?? []
  const named = [...table.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name),
  )
  expect(named.filter((name) => name !== 'sentinel_ipc_').sort()).toEqual(
    [...Object.keys(METRICS), HISTOGRAM].sort(),
  )
})

/** What an operator looks for, and the names to find it by. */
const LOOKED_FOR: Readonly<Record<string, readonly string[]>> = {
  messages: ['messages_received_total', 'messages_sent_total'],
  bytes: ['received_bytes_total', 'sent_bytes_total'],
  batches: ['received_batches_total', 'sent_batches_total'],
  'refusals by reason': ['refusals_total'],
  'invalid by reason': ['invalid_lines_total'],
  pending: ['pending_messages'],
  'dropped by reason': ['dropped_messages_total'],
  'settled by outcome': ['settled_messages_total'],
  deliveries: ['deliveries_total'],
  redials: ['redials_total'],
}

it.each(Object.entries(LOOKED_FOR))(
  'has a metric for %s, in both conventions and on the page',
  (words, names) => {
    const [subject = '', label] = words.split(' by ')
    for (const name of names) {
      expect(name).toContain(subject.replace(/s$/, ''))
      const { labels } = METRICS[name as MetricName]
      if (label !== undefined) expect(labels).toContain(label)
      expect(openTelemetryName(name as MetricName)).toBe(name.replace(/_total$/, '').replaceAll('_', '.'))
      expect(page).toContain(`\`${name}\``)
    }
  },
)

it('has a dashboard of these metrics alone', () => {
  const dashboard = JSON.parse(readFileSync(join(root, 'docs/grafana-dashboard.json'), 'utf8')) as {
    panels: { targets: { expr: string }[] }[]
  }
  const used = dashboard.panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => [...expr.matchAll(/sentinel_ipc_([a-z_]+)/g)].map(([, name = '']) => name)),
  )
  expect(used.length).toBeGreaterThan(10)
  expect(used.filter((name) => !(name in METRICS) && name !== `${HISTOGRAM}_bucket`)).toEqual([])
})

it('has a sample that runs', async () => {
  const [, code = ''] = /```ts run\n(.*?)```/s.exec(page) ?? []
  const folder = join(root, 'out/samples')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `metrics-${process.pid}.mjs`)
  writeFileSync(path, code)
  onTestFinished(() => {
    rmSync(path, { force: true })
  })
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [path], { timeout: 20_000 })
  expect([stdout, stderr]).toEqual(['true\n', ''])
})
