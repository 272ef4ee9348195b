// Memory that messages have is never written to again, and a stream goes on in other memory.

import { afterEach, describe, expect, it } from 'vitest'

import { NO_ROOM } from '../../../lib/binding/abi.js'
import { addon } from '../../../lib/binding/addon.js'
import { threadWindow } from '../../../lib/wire/read-window.js'

// Nothing is read from it, so that it need not be open.
const STREAM = 900
const line =
  '{"type":"a","payload":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}\n'
const lines = Buffer.from(line.repeat(Math.floor(65_536 / line.length)))

function push(bytes: Buffer): number {
  addon.beginTurn()
  return addon.pushRecords(STREAM, bytes, bytes.length)
}

describe('the read window', () => {
  afterEach(() => {
    addon.closeReader(STREAM)
    threadWindow.settle()
  })

  it('is not read into while messages have it, whatever was left out after a read', () => {
    addon.openReader(STREAM, 1000)
    const count = threadWindow.withRoom(push(lines), () => push(lines))
    expect(count).toBe(lines.length / line.length)
    const begin = threadWindow.linesBegin
    const kept = threadWindow.keepBytes(begin, lines.length)
    expect(kept).toBe(threadWindow.bytes)
    const before = Buffer.from(kept)

    const others = Buffer.from(lines.map((byte) => (byte === 0x78 ? 0x79 : byte)))
    expect(push(others)).toBe(NO_ROOM)
    expect(addon.finishRecords(STREAM)).toBe(NO_ROOM)
    expect(kept.equals(before)).toBe(true)

    expect(threadWindow.withRoom(NO_ROOM, () => push(others))).toBe(count)
    expect(threadWindow.bytes).not.toBe(kept)
    expect(kept.equals(before)).toBe(true)
  })

  it('tells how much memory it keeps beside the lines, once', () => {
    addon.openReader(STREAM, 1 << 20)
    threadWindow.takeExcess()
    threadWindow.withRoom(push(lines), () => push(lines))
    const small = threadWindow.keepBytes(threadWindow.linesBegin, 40)
    expect(threadWindow.takeExcess()).toBe(small.buffer.byteLength - 40)
    threadWindow.keepBytes(threadWindow.linesBegin, 10_000)
    expect(threadWindow.takeExcess()).toBe(0)
    for (let i = 0; i < 2; ++i) threadWindow.keepBytes(threadWindow.linesBegin, lines.length)
    expect(threadWindow.takeExcess()).toBe(threadWindow.bytes.length - lines.length)
    expect(threadWindow.takeExcess()).toBe(0)
  })

  it('takes the beginning of a line along to other memory', () => {
    addon.openReader(STREAM, 1000)
    const half = lines.subarray(0, lines.length - 10)
    threadWindow.withRoom(push(half), () => push(half))
    const size = threadWindow.linesEnd - threadWindow.linesBegin
    const kept = threadWindow.keepBytes(threadWindow.linesBegin, size)
    expect(kept).toBe(threadWindow.bytes)
    threadWindow.settle()
    expect(threadWindow.bytes).not.toBe(kept)
    expect(push(lines.subarray(-10))).toBe(1)
    const [begin, end] = [threadWindow.linesBegin, threadWindow.linesEnd]
    expect(threadWindow.bytes.toString('latin1', begin, end)).toBe(line)
  })

  it('grows for a long line, and shrinks when that was some reads ago', () => {
    addon.openReader(STREAM, 1 << 20)
    const usual = threadWindow.bytes.length
    const part = Buffer.alloc(60_000, '1')
    for (let i = 0; i < 5; ++i) threadWindow.withRoom(push(part), () => push(part))
    expect(threadWindow.bytes.length).toBeGreaterThan(300_000)
    expect(push(Buffer.from('\n'))).toBe(1)
    for (let i = 0; i < 100; ++i) {
      push(Buffer.from(line))
      threadWindow.settle()
    }
    expect(threadWindow.bytes.length).toBeLessThanOrEqual(usual)
  })
})
