// Every sample of docs/migrating.md, each run as a program of its own that finds the package by its name.

import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(join(root, 'docs/migrating.md'), 'utf8')
const samples = [...page.matchAll(/^## (From [^\n]*)\n.*?```ts run\n(.*?)```/gms)]

const PRINTS: Readonly<Record<string, string>> = {
  'From the Go package': 'soc_event HIGH\ntrue\n',
  'From node:net': 'hello\n',
  'From node-ipc': '3\n',
  'From zeromq': '3\n',
}

it('has a sample in each section', () => {
  expect(samples.map(([, section]) => section)).toEqual(Object.keys(PRINTS))
})

it.each(samples.map(([, section = '', code = '']) => [section, code]))('%s', async (section, code) => {
  // Below the checkout, so that the package is found by its name.
  const folder = join(root, 'out/samples')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${section.replace(/\W+/g, '-')}-${process.pid}.mjs`)
  const [imports, ...body] = code.split('\n')
  const directory = `const directory = ${JSON.stringify(temporaryDirectory())}`
  writeFileSync(path, [imports, directory, ...body].join('\n'))
  onTestFinished(() => {
    rmSync(path, { force: true })
  })
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [path], { timeout: 20_000 })
  expect(stderr).toBe('')
  expect(stdout).toBe(PRINTS[section])
})
