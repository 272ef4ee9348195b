// The fields of payloads that a receiver requested, as JSON Pointers (RFC 6901), arranged as a tree
// of names. Immutable once it is made. std only.

#ifndef SENTINEL_FIELD_SET_H_
#define SENTINEL_FIELD_SET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentinel {

class FieldSet {
 public:
  // Indices of nodes. The value of the pointer "" is the payload itself.
  static constexpr std::uint16_t kNone = 0;
  static constexpr std::uint16_t kPayload = 1;

  // Returns nullptr unless there are 1 to FieldWord::kMost different pointers of valid syntax, each of at most
  // kMostTokens tokens.
  static std::unique_ptr<const FieldSet> Make(const std::vector<std::string>& pointers);

  static constexpr std::size_t kNameLists = 16;

  // A value that a pointer leads to or through.
  struct Node {
    static constexpr std::uint32_t kNoIndex = UINT32_MAX;
    static constexpr std::int32_t kNoField = -1;

    std::string name;                // its name in an object, as UTF-8
    std::uint32_t index = kNoIndex;  // its index in an array, if the name is one
    std::int32_t field = kNoField;   // the pointer that ends here
    std::uint32_t fields = 0;        // a bit for each pointer that ends here or further in
    std::uint64_t child_bits = 0;    // a bit for each child's name: see NameSlot
    std::uint64_t index_bits = 0;    // a bit for each child's index: see IndexBit
    std::uint32_t index_end = 0;     // above each child's index
    std::uint16_t first_child = kNone;
    std::uint16_t next_sibling = kNone;
    // The children again, by name: see NameSlot. Few share a list, so a name is compared with few.
    std::array<std::uint16_t, kNameLists> first_of_names{};
    std::uint16_t next_of_names = kNone;
  };

  std::size_t size() const { return size_; }
  // Of the longest name.
  std::size_t most_name_bytes() const { return most_name_bytes_; }
  const Node& operator[](std::uint16_t node) const { return nodes_[node]; }

  static std::uint64_t IndexBit(std::uint32_t index) { return std::uint64_t{1} << (index % 64); }
  // Returns a number below 64 for a name without escapes. It tells most names from the few that are wanted.
  static std::size_t NameSlot(const std::uint8_t* name, std::size_t size) {
    if (size == 0) return 0;
    return (size + 3 * std::size_t{name[size / 2]} + 7 * std::size_t{name[size - 1]}) % 64;
  }
  // Returns the child of a node that has this name, or kNone. `slot` is that of the name.
  std::uint16_t FindChild(const Node& parent, std::size_t slot, const std::uint8_t* name, std::size_t size) const {
    std::uint16_t child = parent.first_of_names[slot % kNameLists];
    for (; child != kNone; child = nodes_[child].next_of_names) {
      const std::string& wanted = nodes_[child].name;
      if (wanted.size() == size && std::memcmp(wanted.data(), name, size) == 0) break;
    }
    return child;
  }

 private:
  static constexpr std::size_t kMostTokens = 255;  // a payload is nested no deeper

  FieldSet() : nodes_(2) {}
  bool Add(std::string_view pointer);
  std::uint16_t ChildOf(std::uint16_t parent, const std::string& name);

  std::vector<Node> nodes_;
  std::size_t size_ = 0;
  std::size_t most_name_bytes_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_FIELD_SET_H_
