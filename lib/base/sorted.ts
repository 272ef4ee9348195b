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
  return search(items, number, keyOf, from, false)
}

/**
 * Index of the first item whose key is more than `number`; the length of the array if there is none. The items must
 * ascend by that key.
 */
export function indexAbove<Item>(
  items: readonly Item[],
  number: number,
  keyOf: (item: Item) => number,
): number {
  return search(items, number, keyOf, 0, true)
}

/** Index of the first item that is not before `number`. `skipsEqual`: an item whose key is `number` is before it too. */
function search<Item>(
  items: readonly Item[],
  number: number,
  keyOf: (item: Item) => number,
  from: number,
  skipsEqual: boolean,
): number {
  let low = from
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const key = keyOf(items[middle] as Item)
    if (key < number || (skipsEqual && key === number)) low = middle + 1
    else high = middle
  }
  return low
}

/** The key of a number. */
export const itself = (number: number): number => number
