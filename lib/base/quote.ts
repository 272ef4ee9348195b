// Quotes foreign text in error messages and logs. A peer, or a file name that it chose, must not control what a
// terminal or a log shows: JSON leaves C1 controls, changes of the writing direction and line separators as they are,
// so they are escaped too.

/** Returns the text in quotes, in printable ASCII only, and cut to `maxLength` UTF-16 units before it is escaped. */
export function quoteText(text: string, maxLength: number): string {
  const shown = text.length > maxLength ? text.slice(0, maxLength) : text
  const quoted = escapeText(JSON.stringify(shown))
  return shown === text ? quoted : `${quoted.slice(0, -1)}…"`
}

/** Returns a name or an id that a peer or a user chose: as {@link quoteText}, cut to 64 UTF-16 units. */
export function quoteName(name: string): string {
  return quoteText(name, 64)
}

/** Returns the text in printable ASCII only, with everything else as \uXXXX. */
export function escapeText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, escapeUnit)
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/**
 * The characters that a terminal would interpret or hide: controls, format characters (writing direction, zero width,
 * tags), line separators and halves of surrogate pairs.
 */
export const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Returns foreign text with the characters that a terminal would interpret or hide as JSON escapes, for output that
 * keeps the letters of all languages. Inside the strings of a JSON text this changes no value.
 */
export function printable(text: string): string {
  return text.replace(INVISIBLE, escapeInvisible)
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escapeInvisible(character: string): string {
  return (
    SHORT[character] ??
    Array.from({ length: character.length }, (_, at) => escapeUnit(character.charAt(at))).join('')
  )
}
