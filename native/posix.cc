// Unix domain sockets: listening, connecting, accepting, writing a batch. See platform.h for the contract.
// What differs between Linux and other POSIX systems stands in linux.cc.

#include "posix.h"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform.h"
#include "posix_claim.h"
#include "posix_path.h"

namespace sentinel {
namespace {

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

class UnixServer final : public ServerEndpoint {
 public:
  UnixServer(AddressClaim claim, OwnedDescriptor listening, NotifyPair interrupt)
      : claim_(std::move(claim)), listening_(std::move(listening)), interrupt_(std::move(interrupt)) {}

  Event Wait(int timeout_ms, bool for_clients) override {
    pollfd watched[2] = {{Number(interrupt_.loop.get()), POLLIN, 0}, {Number(listening_.get()), POLLIN, 0}};
    const int ready = poll(watched, for_clients ? 2 : 1, timeout_ms);
    if (ready < 0) return errno == EINTR || errno == ENOMEM ? Event::kTimeout : Event::kFailed;
    if (watched[0].revents != 0) {
      std::uint8_t bytes[64];
      while (recv(Number(interrupt_.loop.get()), bytes, sizeof(bytes), MSG_DONTWAIT) == sizeof(bytes)) {
      }
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
      case ECONNABORTED:  // the client has gone again
      case EINTR: return Failure{FailureKind::kWouldBlock, errno, "accept", {}};
      default: return SocketFailure("accept");
    }
  }

  void Interrupt() override { Notify(interrupt_.thread.get()); }

 private:
  // Destroyed from the last to the first: the claim goes when the address no longer answers.
  AddressClaim claim_;
  OwnedDescriptor listening_;
  NotifyPair interrupt_;
};

// Binds so that the socket file is never, at any instant, more open than 0600.
Status BindPrivately(const OwnedDescriptor& socket, AddressClaim& claim) {
  Result<sockaddr_un> address = SocketAddress(claim.path());
  if (!address.ok()) return address.failure();
  // On Linux the mode of the unbound socket, cut by the umask, becomes the mode of the file.
  if (fchmod(Number(socket.get()), S_IRUSR | S_IWUSR) != 0) return SocketFailure("fchmod", claim.path());
  if (bind(Number(socket.get()), Generic(address.value()), sizeof(sockaddr_un)) != 0) {
    if (errno == EADDRINUSE) {
      return Failure{FailureKind::kAddressInUse, EADDRINUSE, "bind", claim.path() + " was taken just now"};
    }
    return SocketFailure("bind", claim.path());
  }
  Result<FileFacts> facts = InspectPath(claim.path());
  if (!facts.ok()) return facts.failure();
  claim.Own(facts.value());
  if (facts.value().kind != FileFacts::Kind::kSocket || facts.value().owner != OwnUserId() ||
      (facts.value().mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Failure{FailureKind::kUnsafePath, 0, "bind",
                   "the file system of " + claim.path() + " does not keep a socket private"};
  }
  return Done{};
}

}  // namespace

void CloseDescriptor(Descriptor descriptor) {
  // Not repeated after EINTR: Linux has freed the number all the same (close(2)).
  close(Number(descriptor));
}

std::uint32_t OwnUserId() { return geteuid(); }

Result<std::unique_ptr<ServerEndpoint>> Listen(const ListenRequest& request) {
  // Told before anything is touched: the length of the path as it was asked for.
  if (Result<sockaddr_un> address = SocketAddress(request.path); !address.ok()) return address.failure();
  Result<std::string> path = ResolveSafely(request.path, request.create_directory);
  if (!path.ok()) return path.failure();
  Result<AddressClaim> claim = AddressClaim::Take(path.value());
  if (!claim.ok()) return claim.failure();

  OwnedDescriptor listening = CreateSocket();
  if (!listening.valid()) return SocketFailure("socket");
  if (Status status = BindPrivately(listening, claim.value()); !status.ok()) return status.failure();
  if (listen(Number(listening.get()), request.backlog) != 0) return SocketFailure("listen", path.value());
  Result<NotifyPair> interrupt = CreateNotifyPair();
  if (!interrupt.ok()) return interrupt.failure();
  return std::unique_ptr<ServerEndpoint>(
      std::make_unique<UnixServer>(std::move(claim.value()), std::move(listening), std::move(interrupt.value())));
}

Result<OwnedDescriptor> Connect(const std::string& path) {
  Result<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.failure();
  // connect(2) follows links. Refused here so that a link never decides whom we talk to, although the
  // check of the peer would catch a stranger behind it.
  Result<FileFacts> facts = InspectPath(path);
  if (!facts.ok()) {
    if (facts.failure().code != ENOENT && facts.failure().code != ENOTDIR) return facts.failure();
    return Failure{FailureKind::kNotListening, facts.failure().code, "connect", path + " does not exist"};
  }
  if (facts.value().kind != FileFacts::Kind::kSocket) {
    return Failure{FailureKind::kUnsafePath, 0, "connect", path + " is not a socket"};
  }
  OwnedDescriptor socket = CreateSocket();
  if (!socket.valid()) return SocketFailure("socket");
  if (connect(Number(socket.get()), Generic(address.value()), sizeof(sockaddr_un)) == 0) return socket;
  switch (errno) {
    case EAGAIN:  // the backlog is full
    case EINTR:
    case EINPROGRESS: return Failure{FailureKind::kWouldBlock, errno, "connect", path};
    case ECONNREFUSED:
    case ENOENT: return Failure{FailureKind::kNotListening, errno, "connect", path};
    default: return SocketFailure("connect", path);
  }
}

void Notify(Descriptor thread_end) {
  const std::uint8_t byte = 1;
  // EAGAIN means that bytes are waiting already, EPIPE that nobody listens any more: nothing to do either way.
  while (send(Number(thread_end), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

Result<std::size_t> WriteBatch(Descriptor connected, const std::uint8_t* bytes, std::size_t size) {
  for (;;) {
    const ssize_t written = send(Number(connected), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written >= 0) return static_cast<std::size_t>(written);
    switch (errno) {
      case EINTR: continue;
      case EAGAIN: return static_cast<std::size_t>(0);
      default: return SocketFailure("send");
    }
  }
}

namespace {

// Room for one entry of the user or group database; grown until it fits (getpwnam(3)).
constexpr std::size_t kFirstEntryBytes = 4096;
constexpr std::size_t kMostEntryBytes = std::size_t{1} << 20;

template <typename Entry, typename Lookup>
Result<Entry> LookUpEntry(const std::string& name, const char* operation, std::vector<char>& memory,
                          Lookup lookup) {
  memory.resize(kFirstEntryBytes);
  for (;;) {
    Entry entry{};
    Entry* found = nullptr;
    const int code = lookup(name.c_str(), &entry, memory.data(), memory.size(), &found);
    if (code == EINTR) continue;
    if (code == ERANGE && memory.size() < kMostEntryBytes) {
      memory.resize(memory.size() * 2);
      continue;
    }
    if (code != 0) return Failure{FailureKind::kSystem, code, operation, name};
    if (found == nullptr) return Failure{FailureKind::kSystem, ENOENT, operation, name};
    return entry;
  }
}

}  // namespace

Result<std::uint32_t> ResolveUser(const std::string& name) {
  std::vector<char> memory;
  Result<passwd> entry = LookUpEntry<passwd>(name, "getpwnam_r", memory, getpwnam_r);
  if (!entry.ok()) return entry.failure();
  return static_cast<std::uint32_t>(entry.value().pw_uid);
}

Result<std::uint32_t> ResolveGroup(const std::string& name) {
  std::vector<char> memory;
  Result<group> entry = LookUpEntry<group>(name, "getgrnam_r", memory, getgrnam_r);
  if (!entry.ok()) return entry.failure();
  return static_cast<std::uint32_t>(entry.value().gr_gid);
}

}  // namespace sentinel
