// The contract with the operating system: the functions that the rest of the addon may use, in
// plain types. The build chooses the implementation: posix/ with linux/ or darwin/, or win32/. Must
// not know Node-API, JSON or policy. Nothing here throws: a call returns a value or a Failure.

#ifndef SENTINEL_PLATFORM_H_
#define SENTINEL_PLATFORM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/result.h"

namespace sentinel {

// An open socket or pipe, opaque: a file descriptor on POSIX, a HANDLE on Windows.
enum class Descriptor : std::intptr_t { kNone = -1 };

void CloseDescriptor(Descriptor descriptor);

// The only owner of a Descriptor: closes it unless it was released.
class OwnedDescriptor {
 public:
  OwnedDescriptor() = default;
  explicit OwnedDescriptor(Descriptor descriptor) : descriptor_(descriptor) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(other.Release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
    if (this != &other) {
      Reset();
      descriptor_ = other.Release();
    }
    return *this;
  }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  ~OwnedDescriptor() { Reset(); }

  Descriptor get() const { return descriptor_; }
  bool valid() const { return descriptor_ != Descriptor::kNone; }
  Descriptor Release() { return std::exchange(descriptor_, Descriptor::kNone); }
  void Reset() {
    if (valid()) CloseDescriptor(Release());
  }

 private:
  Descriptor descriptor_ = Descriptor::kNone;
};

// Returns the number under which Node's event loop takes over a descriptor. From then on the loop owns it.
// kExhausted if there are no more such numbers.
Result<int> ToLoopNumber(OwnedDescriptor descriptor);
// Closes a descriptor by such a number, and frees the number.
void CloseLoopNumber(int number);
// The descriptor behind such a number, while the loop owns it.
Descriptor FromLoopNumber(int number);

// The identity of the peer as the kernel reports it, never anything that the peer wrote. Users have a number on
// POSIX and a security identifier on Windows.
struct PeerIdentity {
  std::int64_t process_id = 0;  // for logs only: process ids are reused; 0 in another pid namespace
  std::optional<std::uint32_t> user_id;
  std::optional<std::uint32_t> group_id;
  std::vector<std::uint32_t> groups;  // supplementary groups, without group_id
  // The following are empty if the system does not provide them.
  std::string executable;   // path of the program; a hint, see linux/peer.cc
  std::string unit;         // the unit of systemd that the process belongs to; reliable, see linux/peer.cc
  std::string label;        // of the security module (SELinux, AppArmor)
  std::string security_id;  // the user, as S-1-5-…
};

// Reads the identity of the process at the other end of a connected descriptor, without the details below: for a
// client the process that called listen, for a server the one that called connect. Frozen at that moment.
Result<PeerIdentity> ReadPeerIdentity(Descriptor connected);

// Adds executable, unit and label, as far as the system provides them. This takes longer, so call it only for peers
// whose user or group is admitted.
void ReadPeerDetails(Descriptor connected, PeerIdentity& peer);

// A handle of the process at the other end that stays with that process even when its id is used
// again, and that becomes readable when it has ended. kNotSupported if the system has no such
// handle; kPeerUnknown if the process is already gone.
Result<OwnedDescriptor> OpenPeerProcess(Descriptor connected);

// The user that this process acts as: a number or a security identifier, depending on the system. The other is
// empty.
std::optional<std::uint32_t> OwnUserId();
Result<std::string> OwnSecurityId();

// The ids by which the system stands in for a user or group that has none here (Linux: the overflow ids of
// an unmapped user namespace). Never admitted.
struct UnmappedIds {
  std::uint32_t user = 65534;
  std::uint32_t group = 65534;
};
UnmappedIds ReadUnmappedIds();

Result<std::uint32_t> ResolveUser(const std::string& name);
Result<std::uint32_t> ResolveGroup(const std::string& name);
// The security identifier of an account, given by name or by any spelling of the identifier, in its one normal
// spelling.
Result<std::string> ResolveSecurityId(const std::string& account);

struct ListenRequest {
  std::string path;
  bool create_directory = false;  // make the last directory of `path`, for this user only, if it is absent
  bool shared_directory =
      false;  // other users may write to the last directory of `path`, although it is not sticky
  int backlog = 511;
  bool group_access = false;           // members of the socket's group may connect too
  bool public_access = false;          // all users may connect
  std::optional<std::uint32_t> group;  // the group of the socket; by default the one that the system assigns
  // Users besides this one whom the access list of the address admits, on systems that have one (Windows).
  std::vector<std::string> security_ids;
};

// What identifies a file of this machine while it exists.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
};
// Identifies the file at a path; a link in the last component is not followed. kNotFound if there is none,
// kNotSupported on systems where an address is not a file (Windows).
Result<FileIdentity> IdentifyFile(const std::string& path);

// A listening address. Call Wait and Accept from one thread at a time; Interrupt may be called from any thread.
class ServerEndpoint {
 public:
  enum class Event { kClient, kTimeout, kInterrupted, kFailed };

  ServerEndpoint() = default;
  ServerEndpoint(const ServerEndpoint&) = delete;
  ServerEndpoint& operator=(const ServerEndpoint&) = delete;
  // Closes the address, and removes the files that this endpoint created, and no others.
  virtual ~ServerEndpoint() = default;

  // Waits for a client (unless `for_clients` is false), for an interrupt, or for the time to pass.
  // A negative time waits without end.
  virtual Event Wait(int timeout_ms, bool for_clients) = 0;
  // Takes one client off the queue, without waiting.
  virtual Result<OwnedDescriptor> Accept() = 0;
  // Ends a Wait under way, or the next one.
  virtual void Interrupt() = 0;
  // The file that this endpoint made at its address. Empty for an adopted descriptor, or if an address is not a
  // file.
  virtual std::optional<FileIdentity> BoundFile() const { return std::nullopt; }
  // Leaves an adopted descriptor open, for the program that owns it. Nothing else may be called afterwards.
  virtual void GiveBack() {}
};

// Claims an address and listens. The first claimant keeps it; a socket left behind by a process that is gone
// is replaced, and only if it was this user's.
Result<std::unique_ptr<ServerEndpoint>> Listen(const ListenRequest& request);

// Takes over a listening descriptor that another program made (systemd socket activation), after checking that it
// is one and that this process has not taken it over already (kAddressInUse). Its address stays when the endpoint
// goes. On failure the descriptor stays open: its owner keeps it.
Result<std::unique_ptr<ServerEndpoint>> Adopt(Descriptor listening);
// The path that a listening descriptor is bound to; empty if it has none.
std::string AddressOf(Descriptor listening);

// Connects without waiting. kWouldBlock: the server's queue is full, try again later.
Result<OwnedDescriptor> Connect(const std::string& path);

// Wakes a thread of the addon that waits for descriptors. Unlike a notify pair it cannot fail for lack of memory.
Result<OwnedDescriptor> CreateWaker();
void Wake(Descriptor waker);
void DrainWaker(Descriptor waker);

// The readiness that a connected descriptor is waited for; kReading and kWriting are bits.
enum class Interest : std::uint8_t { kNothing = 0, kReading = 1, kWriting = 2, kBoth = 3 };
constexpr Interest operator&(Interest one, Interest other) {
  return static_cast<Interest>(static_cast<unsigned>(one) & static_cast<unsigned>(other));
}
constexpr bool Includes(Interest interest, Interest part) { return (interest & part) == part; }

// The readiness of a connected descriptor. Once its peer has gone, it is ready for everything that it is watched
// for.
struct Readiness {
  Descriptor descriptor = Descriptor::kNone;
  bool readable = false;
  bool writable = false;
};

// Watches large numbers of connected descriptors, for one thread. If kWatchesReadiness is false there is no such
// set, and the event loop must own each descriptor from the start.
class ReadinessSet {
 public:
  static constexpr int kMostAtOnce = 64;

  ReadinessSet() = default;
  ReadinessSet(const ReadinessSet&) = delete;
  ReadinessSet& operator=(const ReadinessSet&) = delete;
  virtual ~ReadinessSet() = default;

  // Readable while any watched descriptor is ready, for an event loop that waits for other things too.
  virtual Descriptor descriptor() const = 0;
  // Sets the readiness that a descriptor is watched for. Watch for kNothing before closing it; that cannot fail.
  virtual Status Watch(Descriptor connected, Interest before, Interest now) = 0;
  // Fills `ready` with at most kMostAtOnce descriptors that are ready now, without waiting. If more
  // are ready, they take turns. A descriptor may occur twice.
  virtual void Take(std::vector<Readiness>& ready) = 0;
};
extern const bool kWatchesReadiness;
Result<std::unique_ptr<ReadinessSet>> CreateReadinessSet();

// Waits until one of the descriptors is readable or the time has passed; a negative time waits without end. Sets
// `ready` for each descriptor. Returns false on failure, after a short pause.
bool WaitReadable(const std::vector<Descriptor>& descriptors, int timeout_ms, std::vector<bool>& ready);

// The indices of the connected descriptors whose peer has closed both directions and left nothing
// to read. Reads nothing and does not wait. A peer that only stopped sending, and still reads, is
// not gone. Entries that are kNone are skipped.
std::vector<std::size_t> FindGone(const std::vector<Descriptor>& connected);

// A one-way stream from a thread of the addon to the event loop: `loop` is given to Node, `thread` stays.
struct NotifyPair {
  OwnedDescriptor loop;
  OwnedDescriptor thread;
};
Result<NotifyPair> CreateNotifyPair();
// Writes one byte, without waiting. Also returns true if the stream is full, because then the loop has a
// notification pending, or if its other end is closed. Returns false if memory has run out: try again later.
bool Notify(Descriptor thread_end);
// Writes a number in 8 bytes, least significant first. Returns false if there is no room or no
// memory: try again later.
bool NotifyNumber(Descriptor thread_end, std::uint64_t number);

// Sends one datagram to a Unix socket, without waiting: to a path, or to an abstract name that begins with '@'
// (Linux). kWouldBlock when the receiver's queue is full; kNotSupported where there are no such sockets (Windows).
Status SendDatagram(const std::string& address, const std::string& text);

// Returns a cookie that no other open descriptor of this system has, to check whether a descriptor number still
// refers to the same socket. Empty if the system has no such cookie.
std::optional<std::uint64_t> DescriptorCookie(Descriptor descriptor);

// Writes as many of the bytes as the kernel takes now, in one system call.
// Returns their count, which is 0 when it takes none; call again for the rest when the descriptor is writable.
// Always 0 on systems where only the event loop can know how many bytes were written (Windows).
Result<std::size_t> WriteBatch(Descriptor connected, const std::uint8_t* bytes, std::size_t size);

// Reads what has arrived. Returns 0 at the end of the stream, kWouldBlock if nothing has arrived, and kNotSupported
// on systems where only the event loop can read (Windows).
Result<std::size_t> ReadNow(Descriptor connected, std::uint8_t* bytes, std::size_t size);

// Whether a read of a descriptor would return without waiting; the descriptor may be of any kind, including a
// readiness set. Also true if that cannot be determined, so that the caller finds out by reading. Not on Windows.
bool ReadableNow(Descriptor descriptor);

// An open directory and the files in it, opened by name and checked by descriptor. This user must own each file, it
// must have one link, and other users must have no access to it; anything else is kUnsafePath. Methods may be
// called from any thread, one at a time.
class FileDirectory {
 public:
  enum class Access {
    kRead,    // an existing file, for reading
    kWrite,   // an existing file, for reading and writing
    kCreate,  // a new file, for reading and writing; EEXIST if it exists
  };

  FileDirectory() = default;
  FileDirectory(const FileDirectory&) = delete;
  FileDirectory& operator=(const FileDirectory&) = delete;
  // Ends the claim, if there is one.
  virtual ~FileDirectory() = default;

  // The path with its symbolic links resolved.
  virtual const std::string& path() const = 0;
  // Claims the directory for this environment alone, by an exclusive lock on the file `lock_name` in it. The lock
  // belongs to the open file, not to a process id: it ends with this object or its process. kAddressInUse when
  // another environment, process, container or user has it.
  virtual Status Claim(const std::string& lock_name) = 0;
  virtual Result<std::vector<std::string>> List() = 0;
  virtual Result<OwnedDescriptor> Open(const std::string& name, Access access) = 0;
  virtual Status Remove(const std::string& name) = 0;
  // Checks an existing file without opening it. For a file whose locks would end if this process closed any
  // descriptor of it (fcntl(2)).
  virtual Status Check(const std::string& name) = 0;
  // Renames a file, and atomically replaces a file that already has the new name.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // Returns once names that were created and removed survive a loss of power.
  virtual Status Sync() = 0;
};

struct DirectoryRequest {
  std::string path;     // absolute
  bool create = false;  // create missing directories of the path, for this user only
};
// Opens a directory that this user owns and other users cannot enter, component by component: every directory on
// the way, and every symbolic link, must belong to this user or to root, and no other user may be able to replace
// either.
Result<std::unique_ptr<FileDirectory>> OpenPrivateDirectory(const DirectoryRequest& request);

// Milliseconds since the machine started, including the time it was suspended. No user can set this clock.
double MillisecondsSinceBoot();
// An id that differs from one start of the machine to the next; empty if the system has none.
std::string BootId();

// Pauses briefly in a polling loop, so that the processor that writes the shared memory can access it.
void RestProcessor();

// How often the scheduler has preempted this thread; 0 if the system does not report it.
std::int64_t InvoluntarySwitches();

// A thread that receives no signals and runs `body(argument)`. Join waits until it has ended.
using ThreadBody = void (*)(void* argument);
class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  virtual ~Thread() = default;
  virtual void Join() = 0;
};
Result<std::unique_ptr<Thread>> StartThread(ThreadBody body, void* argument);

}  // namespace sentinel

#endif  // SENTINEL_PLATFORM_H_
