// Owns the connected descriptors that need no event loop yet, as nothing happens on them: far less memory than a
// socket of Node's takes. One thread of an environment waits for bytes on those that somebody wants to read. Must
// not know Node-API.

#ifndef SENTINEL_DESCRIPTOR_PARK_H_
#define SENTINEL_DESCRIPTOR_PARK_H_

#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "platform.h"

namespace sentinel {

class DescriptorPark {
 public:
  DescriptorPark() = default;
  DescriptorPark(const DescriptorPark&) = delete;
  DescriptorPark& operator=(const DescriptorPark&) = delete;
  ~DescriptorPark();

  // Once, before the first Watch. A byte is written to `notify_thread_end` when there is something to take.
  Status Start(OwnedDescriptor notify_thread_end);

  void Add(OwnedDescriptor connected);
  // Gives it away; invalid when it is not here. Without an answer to a watch under way.
  OwnedDescriptor Remove(Descriptor connected);
  // Has the descriptor named by TakeReady, once, when something has arrived or its peer has gone.
  Status Watch(Descriptor connected);
  // May name some that have been removed meanwhile.
  std::vector<Descriptor> TakeReady();
  // Ends the thread, and closes what is still here.
  void Stop();

 private:
  void Run();

  // Of the event loop's thread alone.
  std::set<Descriptor> parked_;
  std::unique_ptr<ReadinessSet> watched_;
  std::unique_ptr<Thread> thread_;

  OwnedDescriptor notify_;
  std::mutex mutex_;  // guards all that follows
  bool stopping_ = false;
  std::vector<Descriptor> ready_;
};

}  // namespace sentinel

#endif  // SENTINEL_DESCRIPTOR_PARK_H_
