// A JavaScript object that owns a thread, and the notify pair over which the thread reports to the event loop.

#ifndef SENTINEL_NODE_THREAD_OWNER_H_
#define SENTINEL_NODE_THREAD_OWNER_H_

#include <memory>
#include <utility>

#include "node/environment.h"
#include "node/handed_descriptors.h"
#include "node/script.h"
#include "platform/platform.h"

namespace sentinel {

// Stops the thread before its environment ends, and then closes descriptors that JavaScript has not
// taken over.
template <typename Thread>
class ThreadOwner : public EnvironmentMember {
 public:
  ThreadOwner(Environment& environment, std::unique_ptr<Thread> thread, OwnedDescriptor notify_loop_end)
      : environment_(&environment), thread_(std::move(thread)), notify_loop_end_(std::move(notify_loop_end)) {
    environment_->members.insert(this);
  }

  ~ThreadOwner() override {
    if (environment_ != nullptr) environment_->members.erase(this);
  }

  void EnvironmentEnds() override {
    thread_->Stop();
    handed_.Reclaim();
    environment_ = nullptr;
  }

 protected:
  Thread& thread() const { return *thread_; }

  // The loop's end of another notify pair, which takeNotifyDescriptor returns next.
  void SetNotifyEnd(OwnedDescriptor loop_end) { notify_loop_end_ = std::move(loop_end); }
  // takeNotifyDescriptor() → number, once
  Value HandNotifyEnd(const Invocation& call) { return handed_.HandNotifyEnd(call, notify_loop_end_); }

 private:
  Environment* environment_;  // nullptr once it has ended
  const std::unique_ptr<Thread> thread_;
  OwnedDescriptor notify_loop_end_;
  HandedDescriptors handed_;
};

}  // namespace sentinel

#endif  // SENTINEL_NODE_THREAD_OWNER_H_
