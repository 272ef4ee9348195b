// Notes where the fields of a FieldSet stand in a payload, while a JsonWalker checks it. If a name occurs twice in
// an object the last one counts, as in JSON.parse.

#ifndef SENTINEL_FIELD_FINDER_H_
#define SENTINEL_FIELD_FINDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "abi/abi.h"
#include "frames/escapes.h"
#include "frames/field_set.h"
#include "frames/json_walker.h"

namespace sentinel {

// A visitor of JsonWalker.
class FieldFinder {
 public:
  // Begins with a text. Positions in rows count from `origin` bytes before it. The set must outlive its use.
  void Reset(const FieldSet& set, std::size_t origin, bool may_have_escapes) {
    set_ = &set;
    origin_ = origin;
    may_have_escapes_ = may_have_escapes;
  }

  // Begins with a payload. `row` has the layout of FieldWord; its positions must be 0.
  void Begin(std::int32_t* row) {
    row_ = row;
    next_ = FieldSet::kPayload;
  }

  void Scalar(std::size_t start, std::size_t end) {
    if (next_ != FieldSet::kNone) Note(next_, start, end);
  }
  void Open(std::size_t depth, std::size_t start) {
    nodes_[depth] = next_;
    if (next_ == FieldSet::kNone) return;
    starts_[depth] = static_cast<std::uint32_t>(start);
    elements_[depth] = 0;
  }
  void Close(std::size_t depth, std::size_t end) {
    if (nodes_[depth] != FieldSet::kNone) Note(nodes_[depth], starts_[depth], end);
  }
  void Name(std::size_t depth, const std::uint8_t* text, std::size_t quote, std::size_t colon) {
    const FieldSet::Node& parent = (*set_)[nodes_[depth]];
    const std::size_t size = StringEnd(text, quote, colon) - quote - 2;
    const bool known_size = (parent.child_sizes & FieldSet::SizeBit(size)) != 0;
    next_ = FieldSet::kNone;
    if (known_size || (may_have_escapes_ && parent.first_child != FieldSet::kNone)) {
      Find(parent, text + quote + 1, size);
    }
  }
  void Element(std::size_t depth) {
    next_ = FieldSet::kNone;
    if (nodes_[depth] == FieldSet::kNone) return;
    const std::uint32_t index = elements_[depth]++;
    for (std::uint16_t child = (*set_)[nodes_[depth]].first_child; child != FieldSet::kNone;
         child = (*set_)[child].next_sibling) {
      if ((*set_)[child].index == index) next_ = child;
    }
  }

 private:
  void Find(const FieldSet::Node& parent, const std::uint8_t* name, std::size_t size) {
    const bool escaped = may_have_escapes_ && std::memchr(name, '\\', size) != nullptr;
    for (std::uint16_t child = parent.first_child; child != FieldSet::kNone; child = (*set_)[child].next_sibling) {
      const std::string& wanted = (*set_)[child].name;
      const bool same = escaped ? EqualsUnescaped(name, size, wanted)
                                : wanted.size() == size && std::memcmp(wanted.data(), name, size) == 0;
      if (!same) continue;
      next_ = child;
      Forget((*set_)[child].fields);
      return;
    }
  }
  // Forgets these fields of an earlier value of the same name.
  void Forget(std::uint32_t fields) {
    for (std::size_t field = 0; fields >> field != 0; ++field) {
      if ((fields >> field & 1U) != 0) Put(field, 0, 0);
    }
  }
  void Note(std::uint16_t node, std::size_t start, std::size_t end) {
    const std::int32_t field = (*set_)[node].field;
    if (field != FieldSet::Node::kNoField) Put(static_cast<std::size_t>(field), start + origin_, end + origin_);
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
  std::uint16_t next_ = FieldSet::kNone;  // the value that comes next
  // Of the containers around it: which they are, and if they are in the set, where they begin and how many elements
  // have begun. Written when a container opens.
  std::array<std::uint16_t, JsonWalker::kMaxDepth> nodes_{};
  std::array<std::uint32_t, JsonWalker::kMaxDepth> starts_{};
  std::array<std::uint32_t, JsonWalker::kMaxDepth> elements_{};
};

}  // namespace sentinel

#endif  // SENTINEL_FIELD_FINDER_H_
