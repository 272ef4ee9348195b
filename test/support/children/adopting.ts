// Listens on the descriptor 3, as systemd would pass it: first while no descriptor is left, then twice at once.

import { closeSync, fstatSync, openSync } from 'node:fs'

// The bundle: Node opens the files of modules side by side, and few may be open.
import { listen, type Listener } from 'sentinel-ipc'

const LISTENING = 3

async function attempt(): Promise<Listener | string> {
  try {
    return await listen('test', { fd: LISTENING })
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/** Leaves this many descriptors. Returns those to close afterwards. */
function occupyAllBut(left: number): number[] {
  const held: number[] = []
  try {
    for (;;) held.push(openSync('/dev/null', 'r'))
  } catch {
    for (const descriptor of held.splice(-left)) closeSync(descriptor)
  }
  return held
}

function isOpen(): boolean {
  try {
    return fstatSync(LISTENING).isSocket()
  } catch {
    return false
  }
}

const failures: { error: string; open: boolean }[] = []
let listener: Listener | string = ''
for (let left = 1; typeof listener === 'string' && left < 16; ++left) {
  const held = occupyAllBut(left)
  listener = await attempt()
  for (const descriptor of held) closeSync(descriptor)
  if (typeof listener === 'string') failures.push({ error: listener, open: isOpen() })
}
const second = await attempt()
const stillOpen = isOpen()
if (typeof listener !== 'string') listener.close()
console.log(
  JSON.stringify({
    failures,
    listened: typeof listener !== 'string',
    second: typeof second === 'string' ? second : 'listens',
    stillOpen,
    openAfterClose: isOpen(),
  }),
)
