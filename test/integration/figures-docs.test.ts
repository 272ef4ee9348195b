// Where a page carries a measured figure, its section names the command that makes it, the test that checks it, or the page that does.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { pages, pageText, root } from '../support/pages.js'

/** A time that only a measurement gives, a rate, a share of something else. */
const FIGURE = /\d\s?(?:µs|ns|msg\/s)(?![A-Za-z])|\d [kM] msg\/s|\d\.\d+ ×|\d+ % of a processor/
const COMMAND =
  /`(?:npm run (?:bench|test|demo)\S*[^`]*|node\s+out\/[^`]+|sentinel-ipc (?:bench|ping|top)[^`]*)`/
const TEST = /\btest\/[\w/.-]+\.test\.ts\b/
const OTHER_PAGE = /\]\((?:docs\/)?(?:performance|run-log|latency|delivery)\.md(?:#[\w-]+)?\)/

/** Sections whose numbers are no measurements, or that are a record of runs, and why. */
const NO_FIGURES: Readonly<Record<string, string>> = {
  'docs/latency.md # Latency': 'settings of polling, which the code has',
  'docs/run-log.md ## A compiled serializer, 2026-11-26': 'a record of a prototype that was thrown away',
  'docs/run-log.md ## Audit channels, 2026-11-24': 'a record of a run',
}

interface Section {
  readonly title: string
  readonly text: string
}

/** The sections of a page with a figure outside of a fence. */
function sectionsWithFigures(page: string): Section[] {
  const prose = pageText(page).replaceAll(/^```.*?^```$/gms, '')
  return prose
    .split(/^(?=##? )/m)
    .map((text) => ({ title: `${page} ${text.split('\n')[0] ?? ''}`, text }))
    .filter(({ text }) => FIGURE.test(text))
}

const all = pages()
  .filter((page) => page !== 'CHANGELOG.md')
  .flatMap(sectionsWithFigures)

describe('each section with a measured figure', () => {
  it.each(all.filter(({ title }) => !(title in NO_FIGURES)))('$title says how to get it', ({ text }) => {
    expect(COMMAND.test(text) || TEST.test(text) || OTHER_PAGE.test(text), text).toBe(true)
  })

  it('names programs that exist', () => {
    for (const { text } of all) {
      for (const [, path = ''] of text.matchAll(/`node\s+out\/(\S+)\.js/g))
        expect(existsSync(join(root, `${path}.ts`)), path).toBe(true)
    }
  })

  it('leaves none out that has no figure any more', () => {
    const titles = new Set(all.map(({ title }) => title))
    expect(Object.keys(NO_FIGURES).filter((title) => !titles.has(title))).toEqual([])
  })
})
