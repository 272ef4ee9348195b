// Compares counted instructions with the committed baseline and says, input by input, what became of them.
// Arguments: baseline file, compiler, '' or '--update', then input, instructions and lines again and again.

import { readFileSync, writeFileSync } from 'node:fs'

interface Baseline {
  /** Counts of another compiler are not compared with it. */
  readonly compiler: string
  readonly tolerancePercent: number
  readonly instructionsPerLine: Readonly<Record<string, number>>
}

const [path = '', compiler = '', update = '', ...counts] = process.argv.slice(2)
const baseline = JSON.parse(readFileSync(path, 'utf8')) as Baseline
const found: Record<string, number> = {}
for (let i = 0; i < counts.length; i += 3) {
  const perLine = Number(counts[i + 1]) / Number(counts[i + 2])
  if (!(perLine > 0)) throw new Error(`${String(counts[i])}: nothing was counted`)
  found[counts[i] as string] = Math.round(perLine * 10) / 10
}

if (update === '--update') {
  writeFileSync(
    path,
    `${JSON.stringify({ ...baseline, compiler, instructionsPerLine: found }, undefined, 2)}\n`,
  )
  console.log(`${path} is new`)
}
const comparable = compiler === baseline.compiler
let failed = false
for (const [input, perLine] of Object.entries(found)) {
  const before = update === '--update' ? perLine : baseline.instructionsPerLine[input]
  if (before === undefined) throw new Error(`the baseline has no ${input}; run with --update`)
  const percent = (perLine / before - 1) * 100
  const tooMany = comparable && percent > baseline.tolerancePercent
  failed ||= tooMany
  const change = `${percent < 0 ? '' : '+'}${percent.toFixed(1)} %`
  console.log(
    `${input.padEnd(8)} ${perLine.toFixed(1).padStart(9)} instructions a line, ${change}${tooMany ? ': TOO MANY' : ''}`,
  )
}
if (!comparable && update !== '--update')
  console.log(`not judged (skipped: the baseline is of ${baseline.compiler}, this is ${compiler})`)
if (failed) {
  console.log(
    `more than ${baseline.tolerancePercent} % above ${path}: mend it, or say with --update that it must be so`,
  )
  process.exitCode = 1
}
