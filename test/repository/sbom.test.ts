// The bill of materials: what is installed and what is compiled in, the same for the same commit.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'

import { billOfMaterials } from '../../release/sbom.js'

interface Part {
  readonly name: string
  readonly version?: string
  readonly hashes?: readonly { readonly content: string }[]
  readonly components?: readonly Part[]
}

let text: string
let parts: readonly Part[]

beforeAll(() => {
  text = billOfMaterials()
  ;({ components: parts } = JSON.parse(text) as { components: readonly Part[] })
}, 60_000)

it('is the same when it is made again', () => {
  expect(billOfMaterials()).toBe(text)
}, 60_000)

it('names what is installed with the package, and nothing that only its makers need', () => {
  expect(parts.map(({ name }) => name)).toEqual(['node-gyp-build', '@nozbe/simdjson', 'node-addon-api'])
})

it('has the hash of each source that is compiled in', () => {
  const simdjson = parts.find(({ name }) => name === '@nozbe/simdjson')
  const folder = dirname(createRequire(import.meta.url).resolve('@nozbe/simdjson/package.json'))
  expect(simdjson?.components?.map(({ name }) => name)).toEqual(['src/simdjson.cpp', 'src/simdjson.h'])
  for (const { name, hashes } of simdjson?.components ?? []) {
    const hash = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex')
    expect(hashes).toEqual([{ alg: 'SHA-256', content: hash }])
  }
})
