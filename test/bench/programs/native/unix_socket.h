// Unix sockets for the benchmark's C++ programs: a descriptor that closes itself, and calls that end the program
// with a word on what failed. Must not know what is measured.

#ifndef SENTINEL_BENCH_UNIX_SOCKET_H_
#define SENTINEL_BENCH_UNIX_SOCKET_H_

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace bench {

[[noreturn]] inline void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ != -1) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

inline sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    std::fprintf(stderr, "%s is too long for a socket\n", path.c_str());
    std::exit(1);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

inline Descriptor NewSocket() {
  Descriptor made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (made.get() == -1) Die("socket");
  return made;
}

// Waits while the listener's queue is full. An invalid descriptor: the listener is gone.
inline Descriptor Connect(const sockaddr_un& address) {
  Descriptor made = NewSocket();
  while (connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == -1) {
    if (errno == ECONNREFUSED || errno == ENOENT) return Descriptor();
    if (errno != EINTR) Die("connect");
  }
  return made;
}

inline Descriptor AcceptOne(const std::string& path) {
  const sockaddr_un address = AddressOf(path);
  const Descriptor listener = NewSocket();
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == -1) Die("bind");
  if (listen(listener.get(), 1) == -1) Die("listen");
  std::puts("ready");
  std::fflush(stdout);
  Descriptor client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (client.get() == -1) Die("accept");
  return client;
}

inline void DoNotBlock(const Descriptor& descriptor) {
  if (fcntl(descriptor.get(), F_SETFL, O_NONBLOCK) == -1) Die("fcntl");
}

// False: the peer is gone.
inline bool WriteAll(const Descriptor& descriptor, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t written = send(descriptor.get(), bytes, size, MSG_NOSIGNAL);
    if (written == -1) {
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno == EPIPE || errno == ECONNRESET) return false;
      Die("send");
    }
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

// Blocks, or spins where the descriptor does not block. False: the peer is gone.
inline bool ReadAll(const Descriptor& descriptor, char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t got = read(descriptor.get(), bytes, size);
    if (got == 0) return false;
    if (got == -1) {
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno == ECONNRESET) return false;
      Die("read");
    }
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace bench

#endif  // SENTINEL_BENCH_UNIX_SOCKET_H_
