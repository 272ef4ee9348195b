// Where the projects are made, how the package gets into one, and how the programs that they need are fetched.

import { cpSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { newestVersion } from '../../../release/npm-package.js'
import { cache, root } from '../../../release/root.js'
import { output } from '../../../release/run.js'

export const place = join(root, 'out/runners')

/** Installs the newest version of a line with what it depends on, once. Returns the folder of the package. */
export function install(name: string, line = '*', beside: readonly string[] = []): string {
  const version = newestVersion(name, line)
  const folder = join(cache, `${name.replace('/', '+')}-${version}-installed`)
  if (!existsSync(folder)) {
    const arriving = `${folder}.${process.pid}`
    mkdirSync(arriving, { recursive: true })
    try {
      writeFileSync(join(arriving, 'package.json'), '{"private":true}')
      const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--silent']
      output('npm', ['install', ...options, `${name}@${version}`, ...beside], { cwd: arriving })
      renameSync(arriving, folder)
    } finally {
      rmSync(arriving, { recursive: true, force: true })
    }
  }
  return join(folder, 'node_modules', name)
}

/** Makes a folder with the package in its node_modules, as an installation from npm has it, and links others beside it. */
export function makeProject(name: string, links: Readonly<Record<string, string>> = {}): string {
  const folder = join(place, name.replace(/\W+/g, '-'))
  const installed = join(folder, 'node_modules/sentinel-ipc')
  mkdirSync(installed, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"name":"elsewhere","private":true}')
  for (const part of ['package.json', 'dist']) {
    cpSync(join(root, part), join(installed, part), { recursive: true })
  }
  const binary = join(installed, `prebuilds/${process.platform}-${process.arch}/sentinel-ipc.node`)
  cpSync(join(root, 'build/Release/sentinel_ipc.node'), binary)
  const all = { 'node-gyp-build': join(root, 'node_modules/node-gyp-build'), ...links }
  for (const [link, target] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, 'node_modules', link)), { recursive: true })
    symlinkSync(target, join(folder, 'node_modules', link))
  }
  return folder
}
