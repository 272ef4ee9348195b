// Unix domain sockets: listening, connecting, accepting, writing a batch. See platform.h for the contract.
// The parts that differ between Linux and macOS are in linux/ and darwin/.

#include "platform/posix/unix_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>

#include "platform/platform.h"
#include "platform/posix/address_claim.h"
#include "platform/posix/safe_path.h"

namespace sentinel {
namespace {

constexpr int kFailurePauseMs = 50;

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

Result<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The terminating NUL must fit too: without it the name depends on the length passed along, and tools
  // show it wrongly (unix(7)).
  if (path.size() >= sizeof(address.sun_path)) {
    return Failure{FailureKind::kPathTooLong, ENAMETOOLONG, "bind",
                   path + " is " + std::to_string(path.size()) + " bytes long; the system takes " +
                       std::to_string(sizeof(address.sun_path) - 1)};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

FailureKind KindOfSocketError(int code) {
  switch (code) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return FailureKind::kExhausted;
    default: return FailureKind::kSystem;
  }
}

Failure SocketFailure(const char* operation, std::string detail = {}) {
  const int code = errno;
  return {KindOfSocketError(code), code, operation, std::move(detail)};
}

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
  Result<PinnedFile> pinned = claim.Pin();
  if (!pinned.ok()) return pinned.failure();
  const FileFacts& facts = pinned.value().facts;
  claim.Own(facts);
  if (facts.kind != FileFacts::Kind::kSocket || facts.owner != OwnUserId() || facts.links != 1 ||
      (facts.mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Failure{FailureKind::kUnsafePath, 0, "bind",
                   "the file system of " + path + " does not keep a socket private"};
  }
  // Without such a way by path: unless the directory is shared, ResolveSafely made sure that no other user can
  // change what it refers to. fchmod on a bound socket does not affect its file.
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

void CloseDescriptor(Descriptor descriptor) {
  // Not repeated after EINTR: Linux has freed the number all the same (close(2)).
  close(Number(descriptor));
}

std::optional<std::uint32_t> OwnUserId() { return geteuid(); }

Result<int> ToLoopNumber(OwnedDescriptor descriptor) { return Number(descriptor.Release()); }
void CloseLoopNumber(int number) { CloseDescriptor(FromLoopNumber(number)); }
Descriptor FromLoopNumber(int number) { return static_cast<Descriptor>(number); }

Status BindAt(Descriptor socket, const std::string& path) {
  Result<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.failure();
  if (bind(Number(socket), Generic(address.value()), sizeof(sockaddr_un)) == 0) return Done{};
  if (errno == EADDRINUSE) {
    return Failure{FailureKind::kAddressInUse, EADDRINUSE, "bind", path + " was taken just now"};
  }
  return SocketFailure("bind", path);
}

Result<NotifyPair> CreateNotifyPair() {
  NotifyPair pair;
  if (!CreateSocketPair(pair.loop, pair.thread)) return SocketFailure("socketpair");
  return pair;
}

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
                   "descriptor " + std::to_string(Number(listening)) + " is no listening Unix stream socket"};
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

std::string AddressOf(Descriptor listening) {
  sockaddr_un address{};
  socklen_t size = sizeof(address);
  if (getsockname(Number(listening), reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (size <= offsetof(sockaddr_un, sun_path) || address.sun_path[0] == '\0') return {};
  return {address.sun_path, strnlen(address.sun_path, sizeof(address.sun_path))};
}

namespace {

// connect(2) to a path. Returns 0 or the error number.
int ConnectTo(const OwnedDescriptor& socket, const std::string& path) {
  Result<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.failure().code;
  return connect(Number(socket.get()), Generic(address.value()), sizeof(sockaddr_un)) == 0 ? 0 : errno;
}

}  // namespace

Result<OwnedDescriptor> Connect(const std::string& path) {
  if (Result<sockaddr_un> asked = SocketAddress(path); !asked.ok()) return asked.failure();
  // connect(2) follows links. Links of other users are refused here, so that they never decide which server is
  // reached, although the peer check would refuse a stranger behind one.
  Result<SafePath> resolved = ResolveSafely(path, Trust::kAnyDirectories, MissingDirectories::kFail);
  Result<PinnedFile> pinned =
      resolved.ok() ? PinAt(resolved.value().directory.number(), resolved.value().name) : resolved.failure();
  if (!pinned.ok()) {
    if (pinned.failure().code != ENOENT && pinned.failure().code != ENOTDIR) return pinned.failure();
    return Failure{FailureKind::kNotListening, pinned.failure().code, "connect", path + " does not exist"};
  }
  if (pinned.value().facts.kind != FileFacts::Kind::kSocket) {
    return Failure{FailureKind::kUnsafePath, 0, "connect", path + " is not a socket"};
  }
  const std::string plain = resolved.value().path();
  if (Result<sockaddr_un> address = SocketAddress(plain); !address.ok()) return address.failure();
  OwnedDescriptor socket = CreateSocket();
  if (!socket.valid()) return SocketFailure("socket");
  // Through the descriptor, where there is a way: the name may refer to another file by now, or to a link. Where
  // /proc is not mounted, the way does not exist.
  int code = pinned.value().path.empty() ? ENOENT : ConnectTo(socket, pinned.value().path);
  if (code == ENOENT) code = ConnectTo(socket, plain);
  if (code == 0) return socket;
  errno = code;
  switch (errno) {
    case EAGAIN:  // the backlog is full
    case EINTR:
    case EINPROGRESS: return Failure{FailureKind::kWouldBlock, errno, "connect", path};
    case ECONNREFUSED:
    case ENOENT: return Failure{FailureKind::kNotListening, errno, "connect", path};
    default: return SocketFailure("connect", path);
  }
}

namespace {

// All or nothing: so few bytes are never split. Returns `when_full` if the stream has no room.
bool SendNotification(Descriptor thread_end, const std::uint8_t* bytes, std::size_t size, bool when_full) {
  for (;;) {
    if (send(Number(thread_end), bytes, size, kSendFlags) >= 0) return true;
    switch (errno) {
      case EINTR: continue;
      case EAGAIN: return when_full;
      case EPIPE:  // the other end is closed
      case ECONNRESET: return true;
      default:  // ENOBUFS, ENOMEM
        return false;
    }
  }
}

}  // namespace

bool Notify(Descriptor thread_end) {
  const std::uint8_t byte = 1;
  return SendNotification(thread_end, &byte, 1, true);
}

bool NotifyNumber(Descriptor thread_end, std::uint64_t number) {
  std::uint8_t bytes[8];
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(number & 0xffU);
    number >>= 8U;
  }
  return SendNotification(thread_end, bytes, sizeof(bytes), false);
}

bool WaitReadable(const std::vector<Descriptor>& descriptors, int timeout_ms, std::vector<bool>& ready) {
  std::vector<pollfd> watched;
  watched.reserve(descriptors.size());
  for (const Descriptor descriptor : descriptors) watched.push_back({Number(descriptor), POLLIN, 0});
  ready.assign(descriptors.size(), false);
  if (poll(watched.data(), static_cast<nfds_t>(watched.size()), timeout_ms) < 0) {
    if (errno != EINTR) poll(nullptr, 0, kFailurePauseMs);  // out of memory, most likely
    return false;
  }
  for (std::size_t i = 0; i < watched.size(); ++i) ready[i] = watched[i].revents != 0;
  return true;
}

std::vector<std::size_t> FindGone(const std::vector<Descriptor>& connected) {
  // In parts, because poll takes no more entries than the process may have open descriptors.
  constexpr std::size_t kPart = 256;
  std::vector<std::size_t> gone;
  std::array<pollfd, kPart> watched;
  for (std::size_t begin = 0; begin < connected.size(); begin += kPart) {
    const std::size_t count = std::min(kPart, connected.size() - begin);
    // No event is requested, because a hangup is always reported. A negative number is skipped (poll(2)).
    for (std::size_t i = 0; i < count; ++i) watched[i] = {Number(connected[begin + i]), 0, 0};
    if (poll(watched.data(), static_cast<nfds_t>(count), 0) <= 0) continue;  // none, or no memory: another time
    for (std::size_t i = 0; i < count; ++i) {
      int unread = 0;
      if ((watched[i].revents & POLLHUP) != 0 && ioctl(watched[i].fd, FIONREAD, &unread) == 0 && unread == 0) {
        gone.push_back(begin + i);
      }
    }
  }
  return gone;
}

Result<std::size_t> WriteBatch(Descriptor connected, const std::uint8_t* bytes, std::size_t size) {
  for (;;) {
    const ssize_t written = send(Number(connected), bytes, size, kSendFlags);
    if (written >= 0) return static_cast<std::size_t>(written);
    switch (errno) {
      case EINTR: continue;
      case EAGAIN:
      case ENOBUFS:  // out of memory: not now
      case ENOMEM: return static_cast<std::size_t>(0);
      default: return SocketFailure("send");
    }
  }
}

}  // namespace sentinel
