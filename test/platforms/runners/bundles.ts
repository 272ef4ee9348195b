// Tools that copy what a program needs (nft, which hosting of functions and containers use): whether they take the binary along.
// That a bundle of esbuild must leave the package outside is tested with the packed package.

import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { output } from '../../../release/run.js'
import { install, makeProject } from './place.js'

const PROGRAM = `
import { listen } from 'sentinel-ipc'
const listener = await listen('traced', { directory: process.argv[2] })
console.log('listening')
listener.close()`

/** Copies the files of the program, and runs it in the copy. */
const COPY = `
import { nodeFileTrace } from '@vercel/nft'
import { cpSync } from 'node:fs'
const { fileList } = await nodeFileTrace(['program.mjs'])
for (const file of fileList) cpSync(file, process.argv[2] + '/' + file)`

export function checkBundles(): void {
  const folder = makeProject('nft', { '@vercel/nft': install('@vercel/nft') })
  // A copy, as links that lead out of the folder are not followed.
  const finder = join(folder, 'node_modules/node-gyp-build')
  const original = join(folder, 'node_modules/.node-gyp-build')
  cpSync(finder, original, { recursive: true, dereference: true })
  rmSync(finder)
  cpSync(original, finder, { recursive: true })
  writeFileSync(join(folder, 'program.mjs'), PROGRAM)
  writeFileSync(join(folder, 'copy.mjs'), COPY)
  const copy = join(folder, '../nft-copy')
  output(process.execPath, ['copy.mjs', copy], { cwd: folder })
  const said = output(process.execPath, ['program.mjs', join(copy, 'pipes')], { cwd: copy })
  if (said !== 'listening\n') throw new Error(`the copy said ${said}`)
}
