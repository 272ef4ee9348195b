#!/usr/bin/env bash
# Builds the addon for Windows x64 with MinGW, which node-gyp cannot drive: win32-x64.sh [folder for sentinel-ipc.node]
# (default prebuilds/win32-x64). What was compiled before and has not changed is kept in out/cross/win32-x64.
# Needs Debian's g++-mingw-w64-x86-64 and the packages of `npm ci`.
set -euo pipefail
cd "$(dirname "$0")/.."
output=${1:-prebuilds/win32-x64}
work=out/cross/win32-x64
compiler=x86_64-w64-mingw32-g++-posix # the other variant has no std::mutex
command -v $compiler >/dev/null || { echo "win32-x64 needs $compiler (Debian: g++-mingw-w64-x86-64)" >&2; exit 1; }
mkdir -p "$work" "$output"

napi=$(node -p "require('node-addon-api').include_dir")
headers=node_modules/node-api-headers
simdjson=$(dirname "$(node -p "require.resolve('@nozbe/simdjson/package.json')")")/src

# What is taken from the program that loads us: all of Node-API, and three functions of libuv.
{
  printf 'LIBRARY node.exe\nEXPORTS\n'
  for list in js_native_api node_api; do
    sed -n '/^EXPORTS/,$p' "$headers/def/$list.def" | tail -n +2
    echo # the lists end without a newline
  done
  printf 'uv_fs_close\nuv_get_osfhandle\nuv_open_osfhandle\n'
} >"$work/node.def"
x86_64-w64-mingw32-dlltool -d "$work/node.def" -y "$work/libnode_delay.a" -m i386:x86-64 -D node.exe

flags=(
  -O3 -std=c++17 -fvisibility=hidden -fno-exceptions -DNDEBUG -D_WIN32_WINNT=0x0A00
  -DNAPI_VERSION=8 -DNAPI_DISABLE_CPP_EXCEPTIONS -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS -DSIMDJSON_EXCEPTIONS=0
  -Inative -DBUILDING_NODE_EXTENSION -DNODE_GYP_MODULE_NAME=sentinel_ipc
  -isystem "$napi" -isystem "$headers/include" -isystem "$simdjson"
)
# simdjson includes <iostream> and uses nothing of it but std::ostream. Left out by its own guard, as the standard streams
# bring half of the library along, which is linked statically: 0.7 MB.
flags+=(-D_GLIBCXX_IOSTREAM -include ostream)
# Without -Wold-style-cast: the macros of windows.h are full of them.
strict=(
  -Wall -Wextra -Werror -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wcast-align -Woverloaded-virtual
)
newest_header=$(find native -name '*.h' -print0 | xargs -0 ls -t | head -1)

# compile SOURCE OBJECT FLAG...
compile() {
  local source=$1 object=$2
  shift 2
  if [ "$object" -nt "$source" ] && [ "$object" -nt "$newest_header" ] && [ "$object" -nt release/win32-x64.sh ]; then
    return
  fi
  $compiler "${flags[@]}" "$@" -c "$source" -o "$object"
}

objects=("$work/simdjson.o")
[ "$work/simdjson.o" -nt "$simdjson/simdjson.cpp" ] || compile "$simdjson/simdjson.cpp" "$work/simdjson.o" -w
for source in $(find native -name '*.cc' | sort); do
  case $source in native/platform/linux/* | native/platform/darwin/* | native/platform/posix/*) continue ;; esac
  name=${source#native/}
  name=${name//\//_}
  name=${name%.cc}
  objects+=("$work/$name.o")
  compile "$source" "$work/$name.o" "${strict[@]}"
done
$compiler -shared -o "$output/sentinel-ipc.node" "${objects[@]}" "$work/libnode_delay.a" -ldelayimp -ladvapi32 -lntdll -static -s
