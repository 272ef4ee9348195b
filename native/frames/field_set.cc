#include "frames/field_set.h"

#include <algorithm>
#include <utility>

#include "abi/abi.h"

namespace sentinel {
namespace {

// The index that a token names in an array: digits without a leading zero. A line has fewer than 10^9 elements.
std::uint32_t IndexOf(const std::string& token) {
  if (token.empty() || token.size() > 9 || (token[0] == '0' && token.size() > 1)) return FieldSet::Node::kNoIndex;
  std::uint32_t index = 0;
  for (const char digit : token) {
    if (digit < '0' || digit > '9') return FieldSet::Node::kNoIndex;
    index = index * 10 + static_cast<std::uint32_t>(digit - '0');
  }
  return index;
}

// Undoes the escapes ~0 and ~1. Returns false if there are others.
bool Unescape(std::string_view escaped, std::string& token) {
  token.clear();
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '~') {
      token += escaped[i];
    } else {
      ++i;
      if (i == escaped.size() || (escaped[i] != '0' && escaped[i] != '1')) return false;
      token += escaped[i] == '0' ? '~' : '/';
    }
  }
  return true;
}

}  // namespace

std::unique_ptr<const FieldSet> FieldSet::Make(const std::vector<std::string>& pointers) {
  if (pointers.empty() || pointers.size() > FieldWord::kMost) return nullptr;
  std::unique_ptr<FieldSet> set(new FieldSet());
  for (const std::string& pointer : pointers) {
    if (!set->Add(pointer)) return nullptr;
  }
  return set;
}

bool FieldSet::Add(std::string_view pointer) {
  const std::uint32_t bit = std::uint32_t{1} << size_;
  std::uint16_t node = kPayload;
  nodes_[node].fields |= bit;
  std::string token;
  for (std::size_t tokens = 0; !pointer.empty(); ++tokens) {
    if (pointer[0] != '/' || tokens == kMostTokens) return false;
    const std::size_t end = std::min(pointer.find('/', 1), pointer.size());
    if (!Unescape(pointer.substr(1, end - 1), token)) return false;
    pointer.remove_prefix(end);
    node = ChildOf(node, token);
    nodes_[node].fields |= bit;
  }
  if (nodes_[node].field != Node::kNoField) return false;
  nodes_[node].field = static_cast<std::int32_t>(size_++);
  return true;
}

std::uint16_t FieldSet::ChildOf(std::uint16_t parent, const std::string& name) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(name.data());
  const std::size_t slot = NameSlot(bytes, name.size());
  const std::uint16_t found = FindChild(nodes_[parent], slot, bytes, name.size());
  if (found != kNone) return found;
  const auto made = static_cast<std::uint16_t>(nodes_.size());
  Node node;
  node.name = name;
  node.index = IndexOf(name);
  std::uint16_t& first_of_names = nodes_[parent].first_of_names[slot % kNameLists];
  node.next_of_names = std::exchange(first_of_names, made);
  node.next_sibling = nodes_[parent].first_child;
  nodes_.push_back(node);
  nodes_[parent].first_child = made;
  if (node.index != Node::kNoIndex) {
    nodes_[parent].index_bits |= IndexBit(node.index);
    nodes_[parent].index_end = std::max(nodes_[parent].index_end, node.index + 1);
  }
  most_name_bytes_ = std::max(most_name_bytes_, name.size());
  nodes_[parent].child_bits |= std::uint64_t{1} << slot;
  return made;
}

}  // namespace sentinel
