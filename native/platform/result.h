// The outcome of a call to the operating system: a value, or the reason why there is none. Must not know what is
// called.

#ifndef SENTINEL_PLATFORM_RESULT_H_
#define SENTINEL_PLATFORM_RESULT_H_

#include <string>
#include <utility>
#include <variant>

namespace sentinel {

// Why a call to the operating system failed.
enum class FailureKind {
  kSystem,        // the system call `operation` failed with `code`
  kWouldBlock,    // not now: try again
  kExhausted,     // descriptors or memory have run out: wait, then try again
  kUnsafePath,    // another user could interfere with the address
  kPathTooLong,   // the address does not fit the system's limit
  kAddressInUse,  // another listener has the address
  kNotListening,  // there is no listener
  kPeerUnknown,   // the identity of the peer cannot be read, so it is refused
  kNotFound,      // no object has that name
  kNotSupported,  // this system cannot do it
};

struct Failure {
  FailureKind kind = FailureKind::kSystem;
  int code = 0;                // the error number as in Node, but positive; 0 if there is none
  const char* operation = "";  // the system call, for people
  std::string detail;          // for people: a path, a name or a phrase; may be empty
};

template <typename T>
class Result {
 public:
  // Both are implicit, so that a function can return either.
  // NOLINTBEGIN(google-explicit-constructor)
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}
  // NOLINTEND(google-explicit-constructor)
  bool ok() const { return state_.index() == 0; }
  T& value() { return *std::get_if<0>(&state_); }
  const Failure& failure() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Failure> state_;
};

struct Done {};
using Status = Result<Done>;

}  // namespace sentinel

#endif  // SENTINEL_PLATFORM_RESULT_H_
