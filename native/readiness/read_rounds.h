// Counts the rounds in which all connections are read. One turn of the event loop reads only a part of what is
// ready, so a descriptor may be ready for many turns before it is read. Whatever was ready when a round began has
// been read when that round ends:
//
//   - if a list of ready descriptors that was not full has been read, or the event loop has found nothing ready;
//   - or if as many descriptors were read as could have been ready when the round began. The system reports the
//     descriptors that have waited longest first, so a round ends even if all of them are always ready.
//
// Must not know descriptors.

#ifndef SENTINEL_READ_ROUNDS_H_
#define SENTINEL_READ_ROUNDS_H_

#include <cstddef>
#include <cstdint>

namespace sentinel {

class ReadRounds {
 public:
  // Call once in each iteration of the event loop, before it looks for what is ready. `left`: whether descriptors
  // of the last list have not been read. `watched`: how many may be ready. Returns the number of rounds that have
  // ended, modulo 2^32; never 0.
  std::uint32_t BeginTurn(bool left, std::size_t watched) {
    const bool all_read = !left && (!full_ || taken_ >= expected_);
    if (!found_ready_ || all_read) {
      if (++ended_ == 0) ++ended_;
      taken_ = 0;
      full_ = true;
      expected_ = watched;
    }
    found_ready_ = false;
    return ended_;
  }

  // Call when the event loop has found that something is ready.
  void FoundReady() { found_ready_ = true; }

  // Call with the size of each list of ready descriptors. `full`: whether the list had no room for more.
  void Took(std::size_t count, bool full) {
    taken_ += count;
    full_ = full;
  }

 private:
  std::uint32_t ended_ = 0;
  bool found_ready_ = false;  // since the turn began
  // Of the round that is going on:
  std::size_t expected_ = 0;
  std::size_t taken_ = 0;
  bool full_ = true;
};

}  // namespace sentinel

#endif  // SENTINEL_READ_ROUNDS_H_
