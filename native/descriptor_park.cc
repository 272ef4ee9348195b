#include "descriptor_park.h"

#include <utility>

namespace sentinel {
namespace {

constexpr int kRetryMs = 20;

}  // namespace

DescriptorPark::~DescriptorPark() { Stop(); }

Status DescriptorPark::Start(OwnedDescriptor notify_thread_end) {
  if (thread_ != nullptr) return Failure{FailureKind::kSystem, 0, "", "the park has its thread already"};
  Result<std::unique_ptr<ReadinessSet>> watched = CreateReadinessSet();
  if (!watched.ok()) return watched.failure();
  watched_ = std::move(watched.value());
  notify_ = std::move(notify_thread_end);
  Result<std::unique_ptr<Thread>> thread =
      StartThread([](void* self) { static_cast<DescriptorPark*>(self)->Run(); }, this);
  if (thread.ok()) {
    thread_ = std::move(thread.value());
    return Done{};
  }
  watched_.reset();
  return thread.failure();
}

void DescriptorPark::Stop() {
  if (thread_ != nullptr) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    watched_->Interrupt();
    thread_->Join();
    thread_.reset();
  }
  for (const Descriptor descriptor : std::exchange(parked_, {})) CloseDescriptor(descriptor);
}

void DescriptorPark::Add(OwnedDescriptor connected) {
  parked_.insert(connected.get());
  connected.Release();  // NOLINT(bugprone-unused-return-value): it belongs to parked_ now
}

OwnedDescriptor DescriptorPark::Remove(Descriptor connected) {
  if (parked_.erase(connected) == 0) return {};
  if (watched_ != nullptr) watched_->Forget(connected);
  return OwnedDescriptor(connected);
}

Status DescriptorPark::Watch(Descriptor connected) {
  if (watched_ == nullptr || parked_.count(connected) == 0) {
    return Failure{FailureKind::kNotFound, 0, "", "the descriptor is not parked"};
  }
  return watched_->Watch(connected);
}

std::vector<Descriptor> DescriptorPark::TakeReady() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(ready_, {});
}

void DescriptorPark::Run() {
  std::vector<Descriptor> ready;
  for (;;) {
    watched_->Wait(ready);
    bool notify = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
      notify = ready_.empty() && !ready.empty();
      ready_.insert(ready_.end(), ready.begin(), ready.end());
    }
    while (notify && !Notify(notify_.get())) {
      // Want of memory, which may pass.
      std::vector<bool> none;
      WaitReadable({}, kRetryMs, none);
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
    }
  }
}

}  // namespace sentinel
