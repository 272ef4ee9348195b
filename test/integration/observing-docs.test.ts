// Every sample of docs/observing.md, each run as a program of its own that finds the package by its name.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(join(root, 'docs/observing.md'), 'utf8')
const samples = [...page.matchAll(/^## (\w+)\n(?:(?!^## ).*\n)*?```ts run\n([^]*?)```/gm)]

/** What each prints. */
const PRINTS: Record<string, string[]> = {
  Events: [
    'listener -: listening',
    'connection 2: connected',
    'logon',
    'receiver 2: closed',
    'connection 2: closed peer-closed, 1 lines',
    'listener -: closed',
  ],
  Channels: ['channel: listener listening', 'channel: listener closed'],
  Traces: ['3 lines were written in time'],
}

it('has a sample in each section', () => {
  expect(samples.map(([, section]) => section)).toEqual(Object.keys(PRINTS))
})

it.each(samples.map(([, section = '', code = '']) => [section, code]))('%s', (section, code) => {
  const folder = join(root, 'out/samples')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `observing-${section}-${process.pid}.mjs`)
  writeFileSync(path, `const directory = ${JSON.stringify(temporaryDirectory())}\n${code}`)
  onTestFinished(() => {
    rmSync(path, { force: true })
  })
  const { stdout, stderr, status } = spawnSync(process.execPath, [path], { cwd: root, encoding: 'utf8' })
  expect(stderr).toBe('')
  const lines = stdout.trimEnd().split('\n')
  expect(lines.toSorted()).toEqual(PRINTS[section]?.toSorted())
  expect(status).toBe(0)
})
