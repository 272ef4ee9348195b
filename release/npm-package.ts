// Tools that npm ships as packages of files (builds of Node, zig): fetched once into .cache and unpacked there.

import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { cache } from './root.js'
import { output, run } from './run.js'
import { compareVersions } from './symbol-versions.js'

/** The folder that holds the package's files. `npm pack` runs none of its scripts. */
export function fetchPackage(name: string, version: string): string {
  const folder = join(cache, `${name.replace('/', '+')}-${version}`)
  if (existsSync(folder)) return folder
  const arriving = `${folder}.${process.pid}`
  mkdirSync(arriving, { recursive: true })
  try {
    const tarball = output('npm', ['pack', '--silent', `${name}@${version}`], { cwd: arriving }).trim()
    run('tar', ['-xzf', tarball], { cwd: arriving })
    renameSync(join(arriving, 'package'), folder)
  } finally {
    rmSync(arriving, { recursive: true, force: true })
  }
  return folder
}

/** Returns the newest version of a package in this range, according to npm. */
export function newestVersion(name: string, range: string): string {
  const told = JSON.parse(
    output('npm', ['view', `${name}@${range}`, 'version', '--json'], { cwd: dirname(cache) }),
  ) as string | string[]
  const versions = [told].flat()
  const newest = versions.sort(compareVersions).at(-1)
  if (newest === undefined) throw new Error(`npm knows no ${name}@${range}`)
  return newest
}
