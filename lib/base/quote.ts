// Quotes foreign text in error messages and logs. A peer, or a file name that it chose, must not control what a
// terminal or a log shows: JSON leaves C1 controls, changes of the writing direction and line separators as they are,
// so they are escaped too.

/** Returns the text in quotes, in printable ASCII only, and cut to `maxLength` UTF-16 units before it is escaped. */
export function quoteText(text: string, maxLength: number): string {
  const shown = text.length > maxLength ? text.slice(0, maxLength) : text
  const quoted = JSON.stringify(shown).replace(/[^\x20-\x7e]/g, escapeUnit)
  return shown === text ? quoted : `${quoted.slice(0, -1)}…"`
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
