// Text for a terminal: its width, cutting with an ellipsis, wrapping, and a guard against control characters. Texts
// may contain the colours that Output.style adds.

import { stripVTControlCharacters } from 'node:util'

import { INVISIBLE, printable } from '../../base/quote.js'

/** Colours, which Output.style adds, and all characters that a terminal would interpret or hide. */
const STEERING = new RegExp(String.raw`\x1b\[[\d;]*m|${INVISIBLE.source}`, 'gu')

/**
 * Returns lines as a terminal may get them: colours and ends of lines stay, everything else that would steer it is
 * escaped. The last guard; foreign text must be printable() before colours are added.
 */
export function harmless(text: string): string {
  return text.replace(STEERING, (part) => (part.endsWith('m') || part === '\n' ? part : printable(part)))
}

const SIMPLE = /^[\x20-\x7e\u00a1-\u02ff█▁-▏─-╿✓✗…·×µ]*$/
const NO_WIDTH = /^\p{M}$/u
/** East Asian wide characters, and emoji that are drawn as pictures (Unicode annex 11). */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1faff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u

function widthOfCharacter(character: string): number {
  return NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1
}

/** Returns the columns that a text takes on a terminal, ignoring its colours. */
export function widthOf(text: string): number {
  const plain = stripVTControlCharacters(text)
  if (SIMPLE.test(plain)) return plain.length
  let width = 0
  for (const character of plain) width += widthOfCharacter(character)
  return width
}

/** Pads a text to a width; `right` aligns it to the right, for numbers. */
export function pad(text: string, width: number, right = false): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)))
  return right ? blanks + text : text + blanks
}

/**
 * Cuts a text to a width. The last column of a cut text is an ellipsis. Escape sequences of colours stay complete;
 * other characters that would steer a terminal are dropped.
 */
export function cut(given: string, columns: number): string {
  const text = given.replace(STEERING, (part) => (part.endsWith('m') ? part : ''))
  if (widthOf(text) <= columns) return text
  const room = Math.max(0, columns - 1)
  let width = 0
  let result = ''
  let full = false
  for (const [part] of text.matchAll(/\x1b\[[\d;]*m|./gsu)) {
    // Keep the escape sequences after the cut: they end colours that began before it.
    if (part.startsWith('\x1b')) {
      result += part
      continue
    }
    if (full) continue
    width += widthOfCharacter(part)
    full = width > room
    result += full ? '…' : part
  }
  return result
}

/**
 * Breaks a text between words into lines of at most `columns` columns. All lines but the first are indented. A word
 * longer than a line is broken.
 */
export function wrap(text: string, columns: number, indent = 0): string[] {
  const room = Math.max(10, columns)
  const lines: string[] = []
  let line = ''
  for (const [word] of text.matchAll(/\s*\S+/g)) {
    const fitsBelow = indent + widthOf(word.trimStart()) <= room
    if (line.trim() !== '' && widthOf(line) + widthOf(word) > room && fitsBelow) {
      lines.push(line)
      line = ' '.repeat(indent) + word.trimStart()
    } else {
      line += word
    }
    while (widthOf(line) > room) {
      const [head, rest] = broken(line, room)
      lines.push(head)
      line = ' '.repeat(indent) + rest
    }
  }
  if (line !== '') lines.push(line)
  return lines
}

function broken(line: string, columns: number): [head: string, rest: string] {
  let width = 0
  let at = 0
  for (const [part] of line.matchAll(/\x1b\[[\d;]*m|./gsu)) {
    width += part.startsWith('\x1b') ? 0 : widthOfCharacter(part)
    if (width > columns) break
    at += part.length
  }
  return [line.slice(0, at), line.slice(at)]
}

/** Returns rows as aligned columns. Columns whose index is in `numbers` are aligned to the right. */
export function table(
  rows: readonly (readonly string[])[],
  numbers: ReadonlySet<number> = new Set(),
): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  }
  return rows.map((row) =>
    row
      .map((cell, index) => pad(cell, widths[index] ?? 0, numbers.has(index)))
      .join('  ')
      .trimEnd(),
  )
}
