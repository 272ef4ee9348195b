// Which bytes become messages, and which messages become bytes.

import type { Mutation } from './mutation.js'

const INVALID = 'test/unit/endpoints/receiver-invalid.test.ts'
const LINES = 'test/unit/endpoints/receiver-lines.test.ts'
const STREAM = 'test/unit/endpoints/receiver-stream.test.ts'
const SENDER = 'test/unit/endpoints/sender.test.ts'
const FRAMING = 'test/property/framing.test.ts'
const DIFFERENTIAL = 'test/security/differential.test.ts'

const checker = 'native/frames/line_checker.cc'
const walker = 'native/frames/json_walker.h'
const reader = 'native/frames/frame_reader.cc'

const VALIDATED = 'UTF-8, JSON, depth and envelope are validated'
const CUT = 'A stream gives the same messages'

export const frameMutations: readonly Mutation[] = [
  {
    name: 'an envelope has each key once',
    claim: VALIDATED,
    file: checker,
    from: 'if ((envelope.seen & Bit(key)) != 0) return walker_.FailAt(quote, LineState::kDuplicateKey);',
    to: '',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'an envelope has a type',
    claim: VALIDATED,
    file: checker,
    from: 'return envelope.type.size() == 0 ? walker_.FailAt(open, LineState::kTypeMissing) : LineState::kMessage;',
    to: 'return open == end ? LineState::kTypeMissing : LineState::kMessage;',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'a timestamp is a safe integer',
    claim: VALIDATED,
    file: checker,
    from: 'if (seconds > kMaxSafeInteger) return walker_.FailAt(value.start, LineState::kTimestampInvalid);',
    to: '',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'an envelope is an object',
    claim: VALIDATED,
    file: checker,
    from: 'return state == LineState::kMessage ? walker_.FailAt(open, LineState::kNotAnObject) : state;',
    to: 'return state;',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'nothing follows the envelope',
    claim: VALIDATED,
    file: checker,
    from: 'if (state == LineState::kMessage && *walker_.cursor < end) {\n    state = walker_.FailAt(*walker_.cursor, LineState::kSyntax);\n  }',
    to: '',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'nesting is bounded',
    claim: VALIDATED,
    file: walker,
    from: 'static constexpr std::size_t kMaxDepth = 256;',
    to: 'static constexpr std::size_t kMaxDepth = 4096;',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'keys that Go would take for ours are refused',
    claim: 'The validator accepts and refuses',
    file: checker,
    from: 'case EnvelopeKey::kAmbiguous: return walker_.FailAt(quote, LineState::kAmbiguousKey);',
    to: 'case EnvelopeKey::kAmbiguous:',
    tests: [DIFFERENTIAL],
  },
  {
    name: 'numbers have no leading zeros',
    claim: 'The validator accepts and refuses',
    file: walker,
    from: "if (text[i] == '0') {\n    ++i;\n  } else {",
    to: '{',
    tests: [DIFFERENTIAL],
  },
  {
    name: 'a number ends where it should',
    claim: 'The validator accepts and refuses',
    file: walker,
    from: 'return EndsScalar(text[i]) ? i : 0;',
    to: 'return i;',
    tests: [DIFFERENTIAL],
  },
  {
    name: 'the part of a line that came first is kept',
    claim: CUT,
    file: reader,
    from: 'carry_.insert(carry_.end(), window.bytes + fresh, window.bytes + end);',
    to: '',
    tests: [FRAMING],
    named: 'byte by byte',
  },
  {
    name: 'the part of a line that another connection interrupted comes back',
    claim: CUT,
    file: reader,
    from: 'std::memcpy(window_->bytes + begin, carry_.data(), carry_.size());',
    to: '',
    tests: [FRAMING],
    named: 'byte by byte',
  },
  {
    name: 'a line over the limit is thrown away while it comes in',
    claim: 'A line over the limit is discarded',
    file: reader,
    from: 'if (ExceedsLimit(end - begin, window.bytes[end - 1])) {',
    to: 'if (ExceedsLimit((end - begin) / 4096, window.bytes[end - 1])) {',
    tests: [STREAM],
    named: 'too long',
  },
  {
    name: 'descriptors are not received',
    claim: 'Descriptors that a peer sends',
    file: 'native/platform/posix/socket_read.cc',
    from: 'const ssize_t received = recv(static_cast<int>(connected), bytes, size, MSG_DONTWAIT);',
    to:
      'iovec part{bytes, size};\n  char control[256];\n  msghdr header{};\n  header.msg_iov = &part;\n  header.msg_iovlen = 1;\n' +
      '  header.msg_control = control;\n  header.msg_controllen = sizeof(control);\n' +
      '  const ssize_t received = recvmsg(static_cast<int>(connected), &header, MSG_DONTWAIT);',
    tests: ['test/security/limits.test.ts'],
    named: 'descriptors that a peer sends along',
  },
  {
    name: 'nesting is bounded when a message is sent',
    claim: 'A payload of more than 255 levels',
    file: 'lib/message/payload.ts',
    from: 'for (let levels = 1; levels < MAX_DEPTH; ++levels) {',
    to: 'if (text !== "") return false\n  for (let levels = 1; levels < MAX_DEPTH; ++levels) {',
    tests: [SENDER],
    named: 'levels',
  },
  {
    name: 'raw payloads are checked before they are sent',
    claim: 'Raw payloads cannot smuggle',
    file: 'lib/wire/frame-batch.ts',
    from: 'while (next < length && this.#size < BATCH_BYTES && isChecked(messages[next] as SOCMessage)) {',
    to: 'while (next < length && this.#size < BATCH_BYTES && typeof isChecked === "function") {',
    tests: [SENDER],
    named: 'raw',
  },
  {
    name: 'raw payloads are sent as they are, or not at all',
    claim: 'Raw payloads cannot smuggle',
    file: 'lib/message/new-message.ts',
    from: "if (typeof content === 'string' && !content.isWellFormed()) {",
    to: "if (typeof content === 'number') {",
    tests: ['test/unit/message/message.test.ts'],
    named: 'surrogate',
  },
  {
    name: 'text of a peer is escaped in errors',
    claim: 'Text from a peer is escaped',
    file: 'lib/wire/record-decoder.ts',
    from: 'return JSON.stringify(latin1).replace(/[^\\x20-\\x7e]/g, escapeUnit)',
    to: 'return [latin1, escapeUnit][0] as string',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'text of a peer is cut short in errors',
    claim: 'Text from a peer is escaped',
    file: 'lib/wire/record-decoder.ts',
    from: 'const SAMPLE_BYTES = 64',
    to: 'const SAMPLE_BYTES = 4096',
    tests: [INVALID],
    named: 'a line that is no message|what a line may be',
  },
  {
    name: 'a payload does not change a prototype',
    claim: 'A payload never changes a prototype',
    file: 'lib/message/payload.ts',
    from: 'return parseJson(text, SUSPICIOUS.test(text) ? hidePrototypeKey : undefined)',
    to: 'return parseJson(text)',
    tests: ['test/unit/message/message.test.ts', LINES],
    named: '__proto__',
  },
  {
    name: 'the addon says of no text with an escaped name that its names are plain',
    claim: 'Names with escapes are read as they are',
    file: 'native/frames/line_checker.cc',
    from: "if (text[*from] == ':') return true;",
    to: "if (text[*from] == ':') return false;",
    tests: ['test/unit/base/json.test.ts'],
    named: 'the addon finds that no name has an escape',
  },
  {
    name: 'an escaped name does not change a prototype',
    claim: 'Names with escapes are read as they are',
    file: 'lib/base/json.ts',
    from: "if (name === '__proto__') {",
    to: "if (name === '__proto__' && names.length === 0) {",
    tests: ['test/unit/base/json.test.ts'],
    named: 'never changes a prototype',
  },
  {
    name: 'nothing is written after a torn frame',
    claim: 'After a torn frame nothing more is written',
    file: 'lib/wire/frame-writer.ts',
    from: "this.#state = 'blocked'\n    let remainder = bytes",
    to: 'let remainder = bytes',
    tests: [SENDER],
  },
]
