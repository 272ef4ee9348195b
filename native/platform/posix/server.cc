// The listening end of a Unix domain socket: claiming a path, adopting a descriptor, accepting. The counterpart of
// win32/server.cc.

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "platform/platform.h"
#include "platform/posix/address_claim.h"
#include "platform/posix/safe_path.h"
#include "platform/posix/unix_socket.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

// The adopted descriptors that are in use, of all environments of the process. A second adoption of one would close
// a descriptor that stands for something else by then.
struct Adoptions {
  std::mutex mutex;
  std::set<Descriptor> in_use;

  static Adoptions& Instance() {
    static Adoptions adoptions;
    return adoptions;
  }
};

enum class Origin { kMade, kAdopted };

class UnixServer final : public ServerEndpoint {
 public:
  UnixServer(Origin origin, std::optional<AddressClaim> claim, OwnedDescriptor listening, OwnedDescriptor waker)
      : origin_(origin), claim_(std::move(claim)), listening_(std::move(listening)), waker_(std::move(waker)) {}

  ~UnixServer() override {
    if (origin_ == Origin::kAdopted) EndAdoption([this] { listening_.Reset(); });
  }

  void GiveBack() override {
    if (origin_ == Origin::kAdopted) EndAdoption([this] { listening_.Release(); });
  }

  Event Wait(int timeout_ms, bool for_clients) override {
    pollfd watched[2] = {{Number(waker_.get()), POLLIN, 0}, {Number(listening_.get()), POLLIN, 0}};
    const int ready = poll(watched, for_clients ? 2 : 1, timeout_ms);
    if (ready < 0) {
      if (errno == EINTR) return Event::kTimeout;
      poll(nullptr, 0, kFailurePauseMs);  // out of memory, most likely: do not spin
      return Event::kFailed;
    }
    if (watched[0].revents != 0) {
      DrainWaker(waker_.get());
      return Event::kInterrupted;
    }
    if (watched[1].revents != 0) return Event::kClient;
    return Event::kTimeout;
  }

  Result<OwnedDescriptor> Accept() override {
    OwnedDescriptor client = AcceptClient(listening_.get());
    if (client.valid()) return client;
    switch (errno) {
      case EAGAIN:
      case ECONNABORTED:  // the client has already gone
      case EINTR: return Failure{FailureKind::kWouldBlock, errno, "accept", {}};
      default: return SocketFailure("accept");
    }
  }

  void Interrupt() override { Wake(waker_.get()); }

  std::optional<FileIdentity> BoundFile() const override {
    return claim_.has_value() ? claim_->BoundFile() : std::nullopt;
  }

 private:
  // Under the lock, so that no other thread can adopt the number in between.
  template <typename Action>
  void EndAdoption(Action leave) {
    Adoptions& adoptions = Adoptions::Instance();
    const std::lock_guard<std::mutex> lock(adoptions.mutex);
    adoptions.in_use.erase(listening_.get());
    leave();
  }

  const Origin origin_;
  // Destroyed from the last to the first: the claim ends after the socket is closed.
  std::optional<AddressClaim> claim_;  // none for an adopted socket
  OwnedDescriptor listening_;
  OwnedDescriptor waker_;
};

// Grants the requested access to the socket file and no more. The file was created for this user alone, or with
// even less access because of the umask. The group is set first, then the mode; both through a descriptor where the
// system has a way, because in a shared directory another user may put another file there at any time.
Status BindFile(const OwnedDescriptor& socket, AddressClaim& claim, const ListenRequest& request) {
  const std::string path = claim.path();
  if (Status status = BindPrivately(socket.get(), path); !status.ok()) return status.failure();
  // Immediately, and without a descriptor: whatever fails from here on, the claim removes the file. The system does
  // not tell which file a bound socket has, so this looks at the name.
  Result<FileFacts> bound = claim.Inspect();
  if (!bound.ok()) return bound.failure();
  claim.Own(bound.value());
  Result<PinnedFile> pinned = claim.Pin();
  if (!pinned.ok()) return pinned.failure();
  const FileFacts& facts = pinned.value().facts;
  if (!facts.SameFile(bound.value())) {
    return Failure{FailureKind::kAddressInUse, EADDRINUSE, "bind", path + " was replaced just now"};
  }
  if (facts.kind != FileFacts::Kind::kSocket || facts.owner != OwnUserId() || facts.links != 1 ||
      (facts.mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Failure{FailureKind::kUnsafePath, 0, "bind",
                   "the file system of " + path + " does not keep a socket private"};
  }
  // Without a path of the descriptor, the name is used: unless the directory is shared, ResolveSafely made sure
  // that no other user can change what it refers to. fchmod on a bound socket does not affect its file.
  const bool by_descriptor = !pinned.value().path.empty() && access(pinned.value().path.c_str(), F_OK) == 0;
  if (request.shared_directory && !by_descriptor) {
    return Failure{
        FailureKind::kUnsafePath, 0, "bind",
        "a shared directory needs /proc, to set the access of the socket " + path + " and of no other file"};
  }
  const std::string file = by_descriptor ? pinned.value().path : path;
  const int follow = by_descriptor ? 0 : AT_SYMLINK_NOFOLLOW;
  if (request.group.has_value() &&
      fchownat(AT_FDCWD, file.c_str(), static_cast<uid_t>(-1), *request.group, follow) != 0) {
    return SocketFailure("fchownat", path);
  }
  if (Status status = RemoveAccessList(file); !status.ok()) return status.failure();
  mode_t mode = S_IRUSR | S_IWUSR;
  if (request.group_access) mode |= S_IRGRP | S_IWGRP;
  if (request.public_access) mode |= S_IROTH | S_IWOTH;
  if (mode != facts.mode && chmod(file.c_str(), mode) != 0) return SocketFailure("chmod", path);
  return Done{};
}

bool IsUnixSocket(Descriptor descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  return getsockname(Number(descriptor), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         address.ss_family == AF_UNIX;
}

int IntegerOption(Descriptor descriptor, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(Number(descriptor), SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<std::unique_ptr<ServerEndpoint>> Listen(const ListenRequest& request) {
  // Check the length of the path as given, before anything is touched.
  if (Result<sockaddr_un> address = SocketAddress(request.path); !address.ok()) return address.failure();
  Result<SafePath> resolved = ResolveSafely(
      request.path, request.shared_directory ? Trust::kSharedLastDirectory : Trust::kAddressDirectories,
      request.create_directory ? MissingDirectories::kMakeLast : MissingDirectories::kFail);
  if (!resolved.ok()) return resolved.failure();
  const std::string path = resolved.value().path();
  Result<AddressClaim> claim = AddressClaim::Take(std::move(resolved.value()));
  if (!claim.ok()) return claim.failure();

  OwnedDescriptor listening = CreateSocket();
  if (!listening.valid()) return SocketFailure("socket");
  if (Status status = BindFile(listening, claim.value(), request); !status.ok()) return status.failure();
  if (listen(Number(listening.get()), request.backlog) != 0) return SocketFailure("listen", path);
  Result<OwnedDescriptor> waker = CreateWaker();
  if (!waker.ok()) return waker.failure();
  return std::unique_ptr<ServerEndpoint>(std::make_unique<UnixServer>(
      Origin::kMade, std::move(claim.value()), std::move(listening), std::move(waker.value())));
}

Result<std::unique_ptr<ServerEndpoint>> Adopt(Descriptor listening) {
  if (!IsUnixSocket(listening) || IntegerOption(listening, SO_TYPE) != SOCK_STREAM ||
      IntegerOption(listening, SO_ACCEPTCONN) != 1) {
    return Failure{FailureKind::kUnsafePath, 0, "getsockopt",
                   "descriptor " + std::to_string(Number(listening)) + " is not a listening Unix stream socket"};
  }
  Result<OwnedDescriptor> waker = CreateWaker();
  if (!waker.ok()) return waker.failure();
  Adoptions& adoptions = Adoptions::Instance();
  const std::lock_guard<std::mutex> lock(adoptions.mutex);
  if (adoptions.in_use.count(listening) > 0) {
    return Failure{FailureKind::kAddressInUse, EADDRINUSE, "listen",
                   "a listener of this process already uses descriptor " + std::to_string(Number(listening))};
  }
  const int flags = fcntl(Number(listening), F_GETFL);
  if (flags < 0 || fcntl(Number(listening), F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(Number(listening), F_SETFD, FD_CLOEXEC) != 0) {
    return SocketFailure("fcntl");
  }
  adoptions.in_use.insert(listening);
  return std::unique_ptr<ServerEndpoint>(std::make_unique<UnixServer>(
      Origin::kAdopted, std::nullopt, OwnedDescriptor(listening), std::move(waker.value())));
}

Result<FileIdentity> IdentifyFile(const std::string& path) {
  Result<FileFacts> facts = InspectAt(AT_FDCWD, path);
  if (facts.ok()) return FileIdentity{facts.value().device, facts.value().inode};
  switch (facts.failure().code) {
    case ENOENT:
    case ENOTDIR: return Failure{FailureKind::kNotFound, facts.failure().code, "stat", path};
    default: return facts.failure();
  }
}

std::string AddressOf(Descriptor listening) {
  sockaddr_un address{};
  socklen_t size = sizeof(address);
  if (getsockname(Number(listening), reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (size <= offsetof(sockaddr_un, sun_path) || address.sun_path[0] == '\0') return {};
  return {address.sun_path, strnlen(address.sun_path, sizeof(address.sun_path))};
}

}  // namespace sentinel
