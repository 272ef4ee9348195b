// Writes SVG: elements with their attributes and text, safely escaped. Must not know what is drawn.

export type Attributes = Readonly<Record<string, string | number>>

export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${escapeText(typeof value === 'number' ? round(value) : value)}"`)
    .join('')
  return content.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${content.join('')}</${name}>`
}

export function text(x: number, y: number, words: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escapeText(words))
}

export function line(x1: number, y1: number, x2: number, y2: number, attributes: Attributes): string {
  return element('line', { x1, y1, x2, y2, ...attributes })
}

/** About as wide as the words are in a common sans-serif font. */
export function widthOf(words: string, fontSize: number): number {
  return words.length * fontSize * 0.6
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function escapeText(words: string): string {
  return words
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
