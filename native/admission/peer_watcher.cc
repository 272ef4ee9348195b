#include "admission/peer_watcher.h"

#include <utility>
#include <vector>

namespace sentinel {
namespace {

constexpr int kRetryMs = 20;

}  // namespace

const char* WatchStateName(WatchState state) {
  switch (state) {
    case WatchState::kWatching: return "watching";
    case WatchState::kEnded: return "ended";
    case WatchState::kNotSupported: return "not-supported";
  }
  return "";
}

Result<std::unique_ptr<PeerWatcher>> PeerWatcher::Start(OwnedDescriptor notify_thread_end) {
  Result<OwnedDescriptor> waker = CreateWaker();
  if (!waker.ok()) return waker.failure();
  std::unique_ptr<PeerWatcher> watcher(new PeerWatcher(std::move(waker.value()), std::move(notify_thread_end)));
  Result<std::unique_ptr<Thread>> thread =
      StartThread([](void* self) { static_cast<PeerWatcher*>(self)->Run(); }, watcher.get());
  if (!thread.ok()) return thread.failure();
  watcher->thread_ = std::move(thread.value());
  return watcher;
}

PeerWatcher::~PeerWatcher() { Stop(); }

void PeerWatcher::Stop() {
  if (thread_ == nullptr) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  Wake(waker_.get());
  thread_->Join();
  thread_.reset();
  const std::lock_guard<std::mutex> lock(mutex_);
  watched_.clear();
}

void PeerWatcher::Watch(std::uint64_t number, OwnedDescriptor process) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Not make_shared: without run-time types it requires libstdc++ 9, which RHEL 8 does not have.
    watched_[number] = std::make_unique<const OwnedDescriptor>(std::move(process));
  }
  Wake(waker_.get());
}

void PeerWatcher::Forget(std::uint64_t number) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (watched_.erase(number) == 0) return;
  }
  Wake(waker_.get());
}

void PeerWatcher::Run() {
  for (;;) {
    std::vector<std::uint64_t> numbers;
    std::vector<std::shared_ptr<const OwnedDescriptor>> held;
    std::vector<Descriptor> descriptors = {waker_.get()};
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
      for (const auto& [number, process] : watched_) {
        numbers.push_back(number);
        held.push_back(process);
        descriptors.push_back(process->get());
      }
    }
    std::vector<bool> ready;
    if (!WaitReadable(descriptors, -1, ready)) continue;
    if (ready[0]) DrainWaker(waker_.get());
    bool all_reported = true;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (ready[i + 1]) all_reported = Report(numbers[i]) && all_reported;
    }
    // An end that could not be reported stays watched and ready, so without a pause this loop would spin.
    if (!all_reported) WaitReadable({waker_.get()}, kRetryMs, ready);
  }
}

bool PeerWatcher::Report(std::uint64_t number) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto watch = watched_.find(number);
  if (watch == watched_.end()) return true;  // forgotten meanwhile
  if (!NotifyNumber(notify_.get(), number)) return false;
  watched_.erase(watch);
  return true;
}

}  // namespace sentinel
