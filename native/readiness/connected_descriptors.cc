#include "readiness/connected_descriptors.h"

#include <utility>

namespace sentinel {
namespace {

std::size_t IndexOf(Descriptor descriptor) { return static_cast<std::size_t>(descriptor); }

std::size_t CountOf(Interest interest) {
  return (Includes(interest, Interest::kReading) ? 1U : 0U) + (Includes(interest, Interest::kWriting) ? 1U : 0U);
}

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
  connected.Release();  // NOLINT(bugprone-unused-return-value): entries_ owns it now
}

ConnectedDescriptors::Entry* ConnectedDescriptors::Find(Descriptor connected) {
  const std::size_t index = IndexOf(connected);
  return index < entries_.size() && entries_[index].owned ? &entries_[index] : nullptr;
}

bool ConnectedDescriptors::WantsReading(Descriptor connected) const {
  const std::size_t index = IndexOf(connected);
  return index < entries_.size() && Includes(entries_[index].wanted, Interest::kReading);
}

void ConnectedDescriptors::Set(Entry& entry, Interest wanted, bool keeps_alive) {
  if (entry.wanted != Interest::kNothing && entry.keeps_alive) --keeping_;
  entry.wanted = wanted;
  entry.keeps_alive = keeps_alive;
  if (entry.wanted != Interest::kNothing && entry.keeps_alive) ++keeping_;
}

void ConnectedDescriptors::KeepAlive(Descriptor connected, bool keep) {
  if (Entry* const entry = Find(connected); entry != nullptr) Set(*entry, entry->wanted, keep);
}

Status ConnectedDescriptors::Want(Descriptor connected, Interest interest) {
  Entry* const entry = Find(connected);
  if (entry == nullptr || set_ == nullptr) {
    return Failure{FailureKind::kNotFound, 0, "", "the descriptor is not watched here"};
  }
  Set(*entry, interest, entry->keeps_alive);
  // The watch may stay: see the drawing in the header.
  const bool same_writing = (interest & Interest::kWriting) == (entry->watched & Interest::kWriting);
  if (same_writing && Includes(entry->watched, interest)) return Done{};
  Status watched = Watch(connected, *entry);
  if (!watched.ok()) Set(*entry, Interest::kNothing, entry->keeps_alive);
  return watched;
}

Status ConnectedDescriptors::Watch(Descriptor connected, Entry& entry) {
  Status watched = set_->Watch(connected, entry.watched, entry.wanted);
  if (watched.ok()) SetWatched(entry, entry.wanted);
  return watched;
}

void ConnectedDescriptors::SetWatched(Entry& entry, Interest watched) {
  watches_ -= CountOf(entry.watched);
  entry.watched = watched;
  watches_ += CountOf(entry.watched);
}

const std::vector<Readiness>& ConnectedDescriptors::TakeReady() {
  ready_.clear();
  if (set_ == nullptr) return ready_;
  set_->Take(ready_);
  for (Readiness& ready : ready_) {
    Entry* const entry = Find(ready.descriptor);
    const Interest wanted = entry == nullptr ? Interest::kNothing : entry->wanted;
    const bool reading = Includes(wanted, Interest::kReading);
    const bool writing = Includes(wanted, Interest::kWriting);
    // Otherwise it would be reported as ready again and again. Watching for less takes no memory, so it cannot
    // fail.
    const bool unwanted = (ready.readable && !reading) || (ready.writable && !writing);
    if (entry != nullptr && unwanted && entry->watched != wanted) Watch(ready.descriptor, *entry);
    ready.readable = ready.readable && reading;
    ready.writable = ready.writable && writing;
  }
  return ready_;
}

void ConnectedDescriptors::Close(Descriptor connected) {
  Entry* const entry = Find(connected);
  if (entry == nullptr) return;
  Set(*entry, Interest::kNothing, false);
  if (entry->watched != Interest::kNothing) set_->Watch(connected, entry->watched, Interest::kNothing);
  SetWatched(*entry, Interest::kNothing);
  *entry = {};
  CloseDescriptor(connected);
}

void ConnectedDescriptors::CloseAll() {
  for (std::size_t index = 0; index < entries_.size(); ++index) Close(static_cast<Descriptor>(index));
  set_.reset();
}

}  // namespace sentinel
