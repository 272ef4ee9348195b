// The pages that people read, and the blocks between their fences.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Block {
  readonly page: string
  /** What stands behind the opening fence. */
  readonly info: string
  readonly text: string
}

/** Every page of the package and of its examples. */
export function pages(): string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
  const atRoot = readdirSync(root).filter((file) => file.endsWith('.md'))
  return [...atRoot, ...below('docs'), ...below('examples')].sort()
}

export function pageText(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** The blocks of a page whose info string begins with one of these words. */
export function blocksOf(page: string, ...kinds: readonly string[]): Block[] {
  return [...pageText(page).matchAll(/^```([^\n]*)\n(.*?)^```$/gms)]
    .map(([, info = '', text = '']) => ({ page, info, text }))
    .filter(({ info }) => kinds.includes(info.split(' ')[0] ?? ''))
}
