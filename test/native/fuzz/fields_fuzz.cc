// libFuzzer target for fields: the input is a list of payloads, one a line, or
// (raw) what follows the beginning of the first line. In each line that is a
// message, every field of a fixed set must stand where a plain recursive search
// of the payload finds it.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frames/frame_reader.h"

namespace {

using sentinel::FieldSet;
using sentinel::FieldWord;
using sentinel::FrameReader;
using sentinel::FrameRecord;
using sentinel::LineScanner;
using sentinel::LineState;
using sentinel::ReadWindow;
using sentinel::RecordSink;

struct Pointer {
  std::string text;
  std::vector<std::string> tokens;
};

const std::vector<Pointer> kPointers = {
    {"", {}},
    {"/a", {"a"}},
    {"/a/b", {"a", "b"}},
    {"/a/b/0", {"a", "b", "0"}},
    {"/0", {"0"}},
    {"/1/a", {"1", "a"}},
    {"/", {""}},
    {"//a", {"", "a"}},
    {"/~0~1", {"~/"}},
    {"/\xc3\xa9", {"\xc3\xa9"}},
    {"/\xf0\x9f\x98\x80/a", {"\xf0\x9f\x98\x80", "a"}},
    {"/__proto__", {"__proto__"}},
    {"/01", {"01"}},
    {"/\n", {"\n"}},
};

void Require(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

// Searches a JSON text that is known to be valid.
class Search {
 public:
  explicit Search(const std::string &text) : text_(text) {}

  // Passes the value at `at`. Returns where the tokens from `depth` on lead in
  // it, if anywhere.
  struct Found {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  std::optional<Found> Pass(std::size_t &at, const std::vector<std::string> *tokens, std::size_t depth) {
    PassBlanks(at);
    const bool here = tokens != nullptr && depth == tokens->size();
    const std::vector<std::string> *inner = here ? nullptr : tokens;
    const std::size_t begin = at;
    std::optional<Found> found;
    if (text_[at] == '{') {
      found = PassObject(at, inner, depth);
    } else if (text_[at] == '[') {
      found = PassArray(at, inner, depth);
    } else if (text_[at] == '"') {
      PassString(at);
    } else {
      while (at < text_.size() && std::strchr(",]} \t\r", text_[at]) == nullptr) ++at;
    }
    if (here) return Found{begin, at};
    return found;
  }

 private:
  void PassBlanks(std::size_t &at) {
    while (at < text_.size() && std::strchr(" \t\r", text_[at]) != nullptr) ++at;
  }

  // Returns the string as UTF-8, or nothing for one with half a surrogate pair.
  std::optional<std::string> PassString(std::size_t &at) {
    std::string out;
    bool whole = true;
    for (++at; text_[at] != '"';) {
      if (text_[at] != '\\') {
        out += text_[at++];
        continue;
      }
      const char kind = text_[at + 1];
      if (kind != 'u') {
        const char *const from = "bfnrt";
        const char *const known = std::strchr(from, kind);
        out += known == nullptr ? kind : "\b\f\n\r\t"[known - from];
        at += 2;
        continue;
      }
      unsigned long character = std::stoul(text_.substr(at + 2, 4), nullptr, 16);
      at += 6;
      if (character >= 0xd800 && character < 0xdc00 && text_[at] == '\\' && text_[at + 1] == 'u') {
        const unsigned long low = std::stoul(text_.substr(at + 2, 4), nullptr, 16);
        if (low >= 0xdc00 && low < 0xe000) {
          character = 0x10000 + (character - 0xd800) * 0x400 + (low - 0xdc00);
          at += 6;
        }
      }
      whole = whole && (character < 0xd800 || character > 0xdfff);
      Append(out, character);
    }
    ++at;
    if (!whole) return std::nullopt;
    return out;
  }

  static void Append(std::string &out, unsigned long character) {
    const auto put = [&](unsigned long byte) { out += static_cast<char>(byte); };
    if (character < 0x80) return put(character);
    if (character < 0x800) {
      put(0xc0 + character / 0x40);
    } else if (character < 0x10000) {
      put(0xe0 + character / 0x1000);
      put(0x80 + character / 0x40 % 0x40);
    } else {
      put(0xf0 + character / 0x40000);
      put(0x80 + character / 0x1000 % 0x40);
      put(0x80 + character / 0x40 % 0x40);
    }
    put(0x80 + character % 0x40);
  }

  std::optional<Found> PassObject(std::size_t &at, const std::vector<std::string> *tokens, std::size_t depth) {
    std::optional<Found> found;
    for (;;) {
      ++at;
      PassBlanks(at);
      if (text_[at] == '}') break;
      const std::optional<std::string> name = PassString(at);
      PassBlanks(at);
      ++at;  // the colon
      const bool wanted = tokens != nullptr && name == (*tokens)[depth];
      const std::optional<Found> inner = Pass(at, wanted ? tokens : nullptr, depth + 1);
      if (wanted) found = inner;
      PassBlanks(at);
      if (text_[at] == '}') break;
    }
    ++at;
    return found;
  }

  std::optional<Found> PassArray(std::size_t &at, const std::vector<std::string> *tokens, std::size_t depth) {
    std::optional<Found> found;
    for (std::size_t index = 0;; ++index) {
      ++at;
      PassBlanks(at);
      if (text_[at] == ']') break;
      const bool wanted = tokens != nullptr && std::to_string(index) == (*tokens)[depth];
      const std::optional<Found> inner = Pass(at, wanted ? tokens : nullptr, depth + 1);
      if (wanted) found = inner;
      PassBlanks(at);
      if (text_[at] == ']') break;
    }
    ++at;
    return found;
  }

  const std::string &text_;
};

void Compare(const std::string &window, const std::int32_t *record, const std::int32_t *row) {
  const auto begin = static_cast<std::size_t>(record[FrameRecord::kPayloadStart]);
  const auto end = static_cast<std::size_t>(record[FrameRecord::kPayloadEnd]);
  const std::string payload = window.substr(begin, end - begin);
  for (std::size_t i = 0; i < kPointers.size(); ++i) {
    std::size_t at = 0;
    std::optional<Search::Found> expected;
    if (!payload.empty()) expected = Search(payload).Pass(at, &kPointers[i].tokens, 0);
    const std::int32_t *const words = row + FieldWord::kFirst + i * FieldWord::kEach;
    const bool found = words[1] > words[0];
    const bool same = found
                          ? expected.has_value() && begin + expected->begin == static_cast<std::size_t>(words[0]) &&
                                begin + expected->end == static_cast<std::size_t>(words[1])
                          : !expected.has_value() && words[0] == 0 && words[1] == 0;
    if (!same) std::fprintf(stderr, "%s in %s\n", kPointers[i].text.c_str(), payload.c_str());
    Require(same, "a field stands where a plain search finds it");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t capacity = data[0] % 4 + std::size_t{1};
  const bool own = data[1] % 2 == 0;
  const bool raw = data[1] % 4 >= 2;
  std::string text = own ? R"({"type":"t","id":"1","ts":1,"payload":)" : R"({"payload":)";
  const std::string head = text;
  const std::string tail = own ? "}\n"
                               : R"(,"type":"t"})"
                                 "\n";
  for (std::size_t i = 2; i < size; ++i) {
    if (data[i] == '\n' && !raw)
      text += tail + head;
    else
      text += static_cast<char>(data[i]);
  }
  text += tail;

  std::vector<std::string> pointers;
  for (const Pointer &pointer : kPointers) pointers.push_back(pointer.text);
  const std::unique_ptr<const FieldSet> fields = FieldSet::Make(pointers);
  Require(fields != nullptr, "the pointers are valid");

  // Memory of just this size, so that AddressSanitizer sees each read beyond it.
  const std::unique_ptr<std::uint8_t[]> bytes(new std::uint8_t[text.size()]);
  std::memcpy(bytes.get(), text.data(), text.size());

  // As a whole, but with a sink that is too small for all lines.
  std::vector<std::int32_t> records(capacity * FrameRecord::kWords);
  const std::size_t row_words = FieldWord::kFirst + FieldWord::kEach * fields->size();
  std::vector<std::int32_t> rows(capacity * row_words, -1);
  LineScanner scanner;
  for (std::size_t begin = 0; begin < text.size();) {
    RecordSink sink(records.data(), capacity, rows.data(), fields->size());
    begin = scanner.Scan(bytes.get(), begin, text.size(), {std::size_t{1} << 20, fields.get()}, sink);
    for (std::size_t i = 0; i < sink.count(); ++i) {
      const std::int32_t *const record = records.data() + i * FrameRecord::kWords;
      if (record[FrameRecord::kState] != static_cast<std::int32_t>(LineState::kMessage)) continue;
      Compare(text, record, rows.data() + i * row_words);
    }
  }
  return 0;
}
