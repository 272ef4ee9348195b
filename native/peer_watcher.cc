#include "peer_watcher.h"

#include <utility>
#include <vector>

namespace sentinel {

Result<std::unique_ptr<PeerWatcher>> PeerWatcher::Start(OwnedDescriptor notify_thread_end) {
  Result<NotifyPair> interrupt = CreateNotifyPair();
  if (!interrupt.ok()) return interrupt.failure();
  std::unique_ptr<PeerWatcher> watcher(new PeerWatcher(std::move(interrupt.value()), std::move(notify_thread_end)));
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
  Notify(interrupt_.thread.get());
  thread_->Join();
  thread_.reset();
  const std::lock_guard<std::mutex> lock(mutex_);
  watched_.clear();
}

void PeerWatcher::Watch(std::uint64_t number, OwnedDescriptor process) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    watched_[number] = std::make_shared<const OwnedDescriptor>(std::move(process));
  }
  Notify(interrupt_.thread.get());
}

void PeerWatcher::Forget(std::uint64_t number) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (watched_.erase(number) == 0) return;
  }
  Notify(interrupt_.thread.get());
}

void PeerWatcher::Run() {
  for (;;) {
    std::vector<std::uint64_t> numbers;
    std::vector<std::shared_ptr<const OwnedDescriptor>> held;
    std::vector<Descriptor> descriptors = {interrupt_.loop.get()};
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
    if (!WaitReadable(descriptors, ready)) continue;
    if (ready[0]) DrainNotifications(interrupt_.loop.get());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (ready[i + 1]) Report(numbers[i]);
    }
  }
}

void PeerWatcher::Report(std::uint64_t number) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (watched_.erase(number) == 0) return;  // forgotten meanwhile
  }
  // The wire holds thousands of numbers and the loop empties it whenever it turns. Should it be full all the same,
  // the connection still ends when its socket does.
  NotifyNumber(notify_.get(), number);
}

}  // namespace sentinel
