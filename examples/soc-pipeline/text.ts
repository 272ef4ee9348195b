// Formats for a terminal: escapes foreign text, and shortens numbers and times.

/** Control characters, invisible characters, and characters that change the direction of text. */
const UNSAFE =
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** A text from somewhere else, on one line, escaped and cut to `length` characters: safe to print. */
export function printable(text: string, length: number): string {
  // Cut twice: escaping a text of a megabyte to keep 80 characters of it would be a waste.
  const escaped = text.slice(0, length * 2).replace(UNSAFE, (unit) => {
    return /[\t\r\n]/.test(unit) ? ' ' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  const short = escaped.replace(/ {2,}/g, ' ').trim()
  return short.length > length || text.length > length * 2 ? short.slice(0, length - 1) + '…' : short
}

/** 12,345 */
export function number(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** 1 line, 2 lines */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`
}

/** 85 µs, 1.24 ms, 12.4 ms, 1.2 s */
export function duration(micros: number | undefined): string {
  if (micros === undefined) return '–'
  if (micros < 1000) return `${micros} µs`
  if (micros < 1e6) return `${(micros / 1e3).toFixed(micros < 1e4 ? 2 : micros < 1e5 ? 1 : 0)} ms`
  return `${(micros / 1e6).toFixed(1)} s`
}

const HANGING = 6

/** A line broken at spaces, so that each part fits. All but the first are indented; in the summary as far as its text. */
export function wrapped(line: string, width: number): string {
  const lines: string[] = []
  const [, column = ''] = /^( {2,}(?:\S+(?: \S+)* {2,})?)\S/.exec(line) ?? []
  const indent = ' '.repeat(column.length > 0 && column.length < width / 2 ? column.length : HANGING)
  let rest = line
  while (rest.length > width) {
    const at = rest.lastIndexOf(' ', width)
    const end = at > indent.length ? at : width
    lines.push(rest.slice(0, end).trimEnd())
    rest = indent + rest.slice(end).trimStart()
  }
  return [...lines, rest].join('\n')
}
