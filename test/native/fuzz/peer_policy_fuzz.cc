// libFuzzer target for the policy: for any identity and lists, no peer passes
// that the lists do not name, and some peers never pass.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "admission/peer_policy.h"

namespace {

using sentinel::PeerIdentity;
using sentinel::PeerPolicy;
using sentinel::UnmappedIds;
using sentinel::Verdict;

// Takes values off the input, and zeros when it has ended.
class Input {
 public:
  Input(const std::uint8_t *data, std::size_t size) : data_(data), size_(size) {}
  std::uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  // Few different ids, so that they meet.
  std::uint32_t Id() {
    const std::uint8_t byte = Byte();
    if (byte > 250) return 65534;
    return byte > 240 ? 0xffffffffU : byte % 16U;
  }
  std::vector<std::uint32_t> Ids() {
    std::vector<std::uint32_t> ids(Byte() % 5U);
    for (std::uint32_t &id : ids) id = Id();
    return ids;
  }
  std::string Text() { return std::string(Byte() % 3U, static_cast<char>('a' + Byte() % 3)); }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts(Byte() % 3U);
    for (std::string &text : texts) text = Text();
    return texts;
  }

 private:
  const std::uint8_t *data_;
  std::size_t size_;
};

template <typename T>
bool Has(const std::vector<T> &list, const T &value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

void Require(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  Input input(data, size);
  PeerIdentity peer;
  peer.process_id = static_cast<std::int64_t>(input.Byte()) - 2;
  if (input.Byte() % 8 != 0) peer.user_id = input.Id();
  if (input.Byte() % 8 != 0) peer.group_id = input.Id();
  peer.groups = input.Ids();
  peer.executable = input.Text();
  peer.label = input.Text();
  PeerPolicy policy;
  policy.users = input.Ids();
  policy.groups = input.Ids();
  policy.executables = input.Texts();
  policy.labels = input.Texts();
  peer.security_id = input.Text();
  policy.security_ids = input.Texts();
  peer.unit = input.Text();
  policy.units = input.Texts();
  policy.foreign_namespaces = input.Byte() % 2 != 0;
  const UnmappedIds unmapped;

  const Verdict verdict = Judge(peer, policy, unmapped);
  Require(std::strcmp(VerdictName(verdict), "unknown") != 0, "each verdict has a name");
  bool by_group =
      peer.group_id.has_value() && *peer.group_id != unmapped.group && Has(policy.groups, *peer.group_id);
  for (const std::uint32_t group : peer.groups) {
    by_group = by_group || (group != unmapped.group && Has(policy.groups, group));
  }
  const bool by_user = (peer.user_id.has_value() && Has(policy.users, *peer.user_id)) ||
                       (!peer.security_id.empty() && Has(policy.security_ids, peer.security_id));
  const bool known = (peer.user_id.has_value() || !peer.security_id.empty()) && peer.user_id != unmapped.user &&
                     (peer.process_id > 0 || policy.foreign_namespaces);
  Require((verdict == Verdict::kAdmitted) == (known && (by_user || by_group)), "exactly whom the lists name pass");

  const bool executable =
      policy.executables.empty() || (!peer.executable.empty() && Has(policy.executables, peer.executable));
  const bool unit = policy.units.empty() || (!peer.unit.empty() && Has(policy.units, peer.unit));
  const bool label = policy.labels.empty() || (!peer.label.empty() && Has(policy.labels, peer.label));
  Require((JudgeDetails(peer, policy) == Verdict::kAdmitted) == (executable && unit && label),
          "details only narrow");
  return 0;
}
