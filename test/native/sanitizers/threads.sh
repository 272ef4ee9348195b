#!/usr/bin/env bash
# Runs the threads of the addon under ThreadSanitizer, without Node: see threads.cc. Needs g++ or, by CXX, another compiler.
set -euo pipefail
cd "$(dirname "$0")/../../.."
place=out/threads
mkdir -p "$place"
"${CXX:-g++}" -std=c++17 -O1 -g -fno-exceptions -Inative -Wall -Wextra -Werror -fsanitize=thread \
  test/native/sanitizers/threads.cc native/admission/acceptor.cc native/admission/connection_rate.cc native/admission/peer_check.cc native/admission/peer_policy.cc native/admission/peer_watcher.cc \
  native/platform/posix/*.cc native/platform/linux/*.cc -o "$place/threads" -pthread
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 "$place/threads" "$directory/threads.sock"
