// Descriptors handed to JavaScript as plain numbers, which it wraps immediately. A worker may be terminated before
// it has wrapped one, so descriptors left without an owner are closed here.

#ifndef SENTINEL_NODE_HANDED_DESCRIPTORS_H_
#define SENTINEL_NODE_HANDED_DESCRIPTORS_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "node/convert.h"
#include "node/script.h"
#include "platform/platform.h"

namespace sentinel {

// Descriptors given to JavaScript whose new owner has not been seen yet.
class HandedDescriptors {
 public:
  // Descriptors handed earlier have an owner by now, because JavaScript wraps each before it asks for the next.
  void Forget() { handed_.clear(); }
  Result<int> Hand(OwnedDescriptor descriptor) {
    const std::optional<std::uint64_t> cookie = DescriptorCookie(descriptor.get());
    Result<int> number = ToLoopNumber(std::move(descriptor));
    // Without a cookie there is no way to tell later whether the number still stands for the same socket. A leak is
    // better than closing another one.
    if (number.ok() && cookie.has_value()) handed_.push_back({FromLoopNumber(number.value()), *cookie});
    return number;
  }
  // takeNotifyDescriptor() → number, once: hands over the loop's end of a notify pair, for a Node socket to own.
  Value HandNotifyEnd(const Invocation& call, OwnedDescriptor& loop_end) {
    if (!loop_end.valid()) {
      ThrowMisuse(call.env(), "the notify descriptor was taken already");
      return {};
    }
    Result<int> number = Hand(std::move(loop_end));
    if (number.ok()) return call.Number(number.value());
    Throw(call.env(), number.failure());
    return {};
  }
  // When the environment ends: its sockets are closed already, so a number that still stands for the same socket
  // has no owner.
  void Reclaim() {
    for (const Entry& entry : handed_) {
      if (DescriptorCookie(entry.descriptor) == entry.cookie) CloseDescriptor(entry.descriptor);
    }
    handed_.clear();
  }

 private:
  struct Entry {
    Descriptor descriptor;
    std::uint64_t cookie;
  };
  std::vector<Entry> handed_;
};

}  // namespace sentinel

#endif  // SENTINEL_NODE_HANDED_DESCRIPTORS_H_
