#!/usr/bin/env bash
# Checks the C++ sources: their format, and the findings of clang-tidy. Changes nothing.
# Needs clang-format and clang-tidy 14 or newer (Debian: apt-get install clang-format clang-tidy).
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in clang-format clang-tidy; do
  command -v "$tool" >/dev/null || { echo "lint:cpp needs $tool; see native/lint.sh" >&2; exit 1; }
done
mapfile -t all < <(find native test/native test/platforms -name '*.cc' -o -name '*.h' | sort)
clang-format --style=file:native/.clang-format --dry-run --Werror "${all[@]}"
napi=$(node -p "require('node-addon-api').include_dir")
simdjson=$(dirname "$(node -p "require.resolve('@nozbe/simdjson/package.json')")")/src
node_headers=$(node -p "
  const candidates = [process.env.npm_config_nodedir, require('path').resolve(process.execPath, '../..')]
  candidates.filter(Boolean).map((root) => root + '/include/node').find((folder) => require('fs').existsSync(folder + '/node_api.h')) ?? ''")
[ -n "$node_headers" ] || { echo 'lint:cpp needs the headers of Node: set npm_config_nodedir' >&2; exit 1; }
# Without the files of other systems, whose headers are not here.
mapfile -t sources < <(find native -name '*.cc' | sort | grep -v -E '/platform/(darwin|win32)/')
# tidy FILE... -- FLAG...: a process per processor. Its findings go to stdout; on stderr it counts what it suppressed.
tidy() {
  local files=()
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -I{} clang-tidy --quiet {} "$@" 2>/dev/null
}
tidy "${sources[@]}" -- -std=c++17 -DNAPI_VERSION=8 -DNAPI_DISABLE_CPP_EXCEPTIONS -DSIMDJSON_EXCEPTIONS=0 \
  -fno-exceptions -Inative -isystem "$napi" -isystem "$simdjson" -isystem "$node_headers"
mingw=$(compgen -G '/usr/lib/gcc/x86_64-w64-mingw32/*-posix/include/c++' || true)
if [ -n "$mingw" ]; then
  tidy native/platform/win32/*.cc -- -std=c++17 -fno-exceptions -Inative --target=x86_64-w64-mingw32 -D_WIN32_WINNT=0x0A00 \
    -isystem "$mingw" -isystem "$mingw/x86_64-w64-mingw32"
else
  echo 'lint:cpp: skipped native/platform/win32, which need the headers of MinGW (Debian: g++-mingw-w64-x86-64)'
fi
