#include "readiness/connected_descriptors.h"

#include <utility>

namespace sentinel {
namespace {

std::size_t IndexOf(Descriptor descriptor) { return static_cast<std::size_t>(descriptor); }

}  // namespace

Result<Descriptor> ConnectedDescriptors::Open() {
  if (set_ == nullptr) {
    Result<std::unique_ptr<ReadinessSet>> set = CreateReadinessSet();
    if (!set.ok()) return set.failure();
    set_ = std::move(set.value());
  }
  return set_->descriptor();
}

void ConnectedDescriptors::Add(OwnedDescriptor connected) {
  const std::size_t index = IndexOf(connected.get());
  if (index >= entries_.size()) entries_.resize(index + 1);
  entries_[index] = {};
  entries_[index].owned = true;
  connected.Release();  // NOLINT(bugprone-unused-return-value): it belongs to entries_ now
}

ConnectedDescriptors::Entry* ConnectedDescriptors::Find(Descriptor connected) {
  const std::size_t index = IndexOf(connected);
  return index < entries_.size() && entries_[index].owned ? &entries_[index] : nullptr;
}

bool ConnectedDescriptors::WantsReading(Descriptor connected) const {
  const std::size_t index = IndexOf(connected);
  return index < entries_.size() && entries_[index].reading;
}

Status ConnectedDescriptors::Want(Descriptor connected, bool reading, bool writing) {
  Entry* const entry = Find(connected);
  if (entry == nullptr || set_ == nullptr) {
    return Failure{FailureKind::kNotFound, 0, "", "the descriptor is not here"};
  }
  if (entry->reading || entry->writing) --wanted_;
  entry->reading = reading;
  entry->writing = writing;
  if (reading || writing) ++wanted_;
  // Who stops reading mostly goes on soon: it stays in the set until something comes meanwhile.
  if (writing == entry->watched_writing && (entry->watched_reading || !reading)) return Done{};
  Status watched = Watch(connected, *entry);
  if (!watched.ok()) {
    --wanted_;
    entry->reading = false;
    entry->writing = false;
  }
  return watched;
}

Status ConnectedDescriptors::Watch(Descriptor connected, Entry& entry) {
  const bool before = entry.watched_reading || entry.watched_writing;
  Status watched = set_->Watch(connected, before, entry.reading, entry.writing);
  if (watched.ok()) {
    entry.watched_reading = entry.reading;
    entry.watched_writing = entry.writing;
  }
  return watched;
}

const std::vector<Readiness>& ConnectedDescriptors::TakeReady() {
  ready_.clear();
  if (set_ == nullptr) return ready_;
  set_->Take(ready_);
  for (Readiness& ready : ready_) {
    Entry* const entry = Find(ready.descriptor);
    if (entry == nullptr) {
      ready.readable = false;
      ready.writable = false;
      continue;
    }
    // It would be ready again and again. To watch for less needs nothing that could run out.
    const bool unwanted = (ready.readable && !entry->reading) || (ready.writable && !entry->writing);
    if (unwanted && (entry->reading != entry->watched_reading || entry->writing != entry->watched_writing)) {
      Watch(ready.descriptor, *entry);
    }
    ready.readable = ready.readable && entry->reading;
    ready.writable = ready.writable && entry->writing;
  }
  return ready_;
}

void ConnectedDescriptors::Close(Descriptor connected) {
  Entry* const entry = Find(connected);
  if (entry == nullptr) return;
  if (entry->reading || entry->writing) --wanted_;
  if (entry->watched_reading || entry->watched_writing) set_->Watch(connected, true, false, false);
  *entry = {};
  CloseDescriptor(connected);
}

void ConnectedDescriptors::CloseAll() {
  for (std::size_t index = 0; index < entries_.size(); ++index) Close(static_cast<Descriptor>(index));
  set_.reset();
}

}  // namespace sentinel
