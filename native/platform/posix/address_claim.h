// The right to listen at a path: a lock that exactly one process gets, and the socket file that it protects.
// Must not know clients or threads.

#ifndef SENTINEL_POSIX_CLAIM_H_
#define SENTINEL_POSIX_CLAIM_H_

#include <optional>
#include <string>

#include "platform/platform.h"
#include "platform/posix/safe_path.h"
#include "platform/posix/unix_socket.h"

namespace sentinel {

// Holds `<path>.lock` (flock(2)) for as long as it lives, so a claim ends with its process however that ends.
// When destroyed, removes the lock file, and the socket file if Own was called and it is still the same file.
class AddressClaim {
 public:
  // Takes the lock, then frees the path: removes a socket of this user on which no process listens. Fails with
  // kAddressInUse if another process holds the lock or listens on the socket, or another user owns it.
  static Result<AddressClaim> Take(SafePath address);

  AddressClaim(AddressClaim&& other) noexcept = default;
  AddressClaim& operator=(AddressClaim&&) = delete;
  AddressClaim(const AddressClaim&) = delete;
  AddressClaim& operator=(const AddressClaim&) = delete;
  ~AddressClaim();

  std::string path() const { return address_.path(); }
  // The file at the path, links not followed.
  Result<FileFacts> Inspect() const { return InspectAt(address_.directory.number(), address_.name); }
  // The file at the path, held by a descriptor.
  Result<PinnedFile> Pin() const { return PinAt(address_.directory.number(), address_.name); }
  // Remembers the socket file that now stands at the path as the one to remove at the end.
  void Own(const FileFacts& socket) { socket_ = socket; }
  std::optional<FileIdentity> BoundFile() const {
    if (!socket_.has_value()) return std::nullopt;
    return FileIdentity{socket_->device, socket_->inode};
  }

 private:
  AddressClaim(SafePath address, OwnedDescriptor lock) : address_(std::move(address)), lock_(std::move(lock)) {}
  Status RemoveStaleSocket() const;

  SafePath address_;
  OwnedDescriptor lock_;
  std::optional<FileFacts> socket_;
};

}  // namespace sentinel

#endif  // SENTINEL_POSIX_CLAIM_H_
