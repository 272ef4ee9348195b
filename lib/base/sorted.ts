// Binary search.

/**
 * Index of the first item, from index `from` on, whose key is `number` or more; the length of the array if there is
 * none. The items must ascend by that key.
 */
export function indexAtLeast<Item>(
  items: readonly Item[],
  number: number,
  keyOf: (item: Item) => number,
  from = 0,
): number {
  let low = from
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keyOf(items[middle] as Item) < number) low = middle + 1
    else high = middle
  }
  return low
}

/** The key of a number. */
export const itself = (number: number): number => number
