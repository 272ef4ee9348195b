// Notes where the fields of a FieldSet stand in a payload, while a JsonWalker checks it. If a name occurs twice in
// an object the last one counts, as in JSON.parse.

#ifndef SENTINEL_FIELD_FINDER_H_
#define SENTINEL_FIELD_FINDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "abi/abi.h"
#include "frames/byte_search.h"
#include "frames/escapes.h"
#include "frames/field_set.h"
#include "frames/json_walker.h"

namespace sentinel {

// A visitor of JsonWalker.
class FieldFinder {
 public:
  // Begins a text. Positions in rows count from `origin` bytes before it. The set must outlive its use.
  void Reset(const FieldSet& set, std::size_t origin, bool may_have_escapes) {
    set_ = &set;
    origin_ = origin;
    may_have_escapes_ = may_have_escapes;
    if (may_have_escapes) unescaped_.resize(set.most_name_bytes());
  }

  // Begins a line that ends at `end`. `row` has the layout of FieldWord; its positions must be 0.
  void Begin(std::int32_t* row, std::size_t end) {
    row_ = row;
    end_ = end;
    noted_ = 0;
    next_ = FieldSet::kPayload;
    escape_ = may_have_escapes_ ? 0 : end;
  }

  void Scalar(std::size_t start, std::size_t end) {
    if (next_ != FieldSet::kNone) Note(next_, start, end);
  }
  void Open(std::size_t depth, std::size_t start) {
    Container& container = containers_[depth];
    container.node = next_;
    container.child_bits = 0;
    if (next_ == FieldSet::kNone) return;
    container.child_bits = (*set_)[next_].child_bits;
    container.start = static_cast<std::uint32_t>(start);
    container.elements = 0;
  }
  void Close(std::size_t depth, std::size_t end) {
    const Container& container = containers_[depth];
    if (container.node != FieldSet::kNone) Note(container.node, container.start, end);
  }
  void Name(std::size_t depth, const std::uint8_t* text, std::size_t quote, std::size_t colon) {
    next_ = FieldSet::kNone;
    const Container& container = containers_[depth];
    // A line that ends within its payload is only found invalid later: the walker goes on into the next line, about
    // whose escapes nothing is known.
    if (container.child_bits == 0 || colon >= end_) return;
    // Most names have no escape, and most lines few: the next backslash is searched for only when the last is
    // passed.
    if (escape_ < quote) FindEscape(text, quote);
    const std::uint8_t* const name = text + quote + 1;
    const std::size_t size = StringEnd(text, quote, colon) - quote - 2;
    if (escape_ < colon) {
      // Decoded once, however many names are wanted.
      const std::optional<std::size_t> decoded = Unescape(name, size, unescaped_.data(), unescaped_.size());
      if (decoded.has_value()) Find(container, unescaped_.data(), *decoded);
    } else {
      Find(container, name, size);
    }
  }
  void Element(std::size_t depth) {
    next_ = FieldSet::kNone;
    Container& container = containers_[depth];
    if (container.child_bits == 0) return;
    const std::uint32_t index = container.elements++;
    const FieldSet::Node& node = (*set_)[container.node];
    if (index >= node.index_end || (node.index_bits & FieldSet::IndexBit(index)) == 0) return;
    for (std::uint16_t child = node.first_child; child != FieldSet::kNone; child = (*set_)[child].next_sibling) {
      if ((*set_)[child].index == index) next_ = child;
    }
  }

 private:
  // Written when it opens; `start` and `elements` only if it is in the set.
  struct Container {
    std::uint64_t child_bits = 0;  // 0 if no field lies in it
    std::uint32_t start = 0;
    std::uint32_t elements = 0;  // that have begun
    std::uint16_t node = FieldSet::kNone;
  };

  void FindEscape(const std::uint8_t* text, std::size_t from) {
    const void* const found = std::memchr(text + from, '\\', end_ - from);
    escape_ = found == nullptr ? end_ : static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - text);
  }
  void Find(const Container& container, const std::uint8_t* name, std::size_t size) {
    const std::size_t slot = FieldSet::NameSlot(name, size);
    if ((container.child_bits >> slot & 1U) == 0) return;
    next_ = set_->FindChild((*set_)[container.node], slot, name, size);
    if (next_ != FieldSet::kNone) Forget((*set_)[next_].fields);
  }
  // Forgets these fields of an earlier value of the same name.
  void Forget(std::uint32_t fields) {
    for (std::uint32_t left = fields & noted_; left != 0; left &= left - 1) Put(LowestBit(left), 0, 0);
    noted_ &= ~fields;
  }
  void Note(std::uint16_t node, std::size_t start, std::size_t end) {
    const std::int32_t field = (*set_)[node].field;
    if (field == FieldSet::Node::kNoField) return;
    noted_ |= std::uint32_t{1} << static_cast<unsigned>(field);
    Put(static_cast<std::size_t>(field), start + origin_, end + origin_);
  }
  void Put(std::size_t field, std::size_t start, std::size_t end) {
    std::int32_t* const words = row_ + FieldWord::kFirst + field * FieldWord::kEach;
    words[0] = static_cast<std::int32_t>(start);
    words[1] = static_cast<std::int32_t>(end);
  }

  const FieldSet* set_ = nullptr;
  std::size_t origin_ = 0;
  bool may_have_escapes_ = false;
  std::int32_t* row_ = nullptr;
  std::uint32_t noted_ = 0;               // a bit for each field that has a place in the row
  std::size_t end_ = 0;                   // of the line
  std::size_t escape_ = 0;                // the first backslash that was not passed, or the end of the line
  std::uint16_t next_ = FieldSet::kNone;  // the value that comes next
  std::array<Container, JsonWalker::kMaxDepth> containers_{};  // around it
  std::vector<std::uint8_t> unescaped_;                        // the last name that had escapes
};

}  // namespace sentinel

#endif  // SENTINEL_FIELD_FINDER_H_
