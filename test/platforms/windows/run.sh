#!/usr/bin/env bash
# Builds the addon for Windows and runs, under Wine, with Node for Windows: the test suite as far as it has a meaning there,
# tests of what only Windows has, and both demos. In a bash on Windows the same without Wine, with the Node that is there and
# an addon of Visual C++: never tried.
#   run.sh              all of it, with both versions of Node
#   run.sh --short      with the older Node only the tests of what only Windows has
#   run.sh PART [older] only test files whose names hold PART, with the newer Node or the older one
#   run.sh --demos      only the demos
set -euo pipefail
cd "$(dirname "$0")/../../.."
source test/platforms/windows/wine.sh

lacks=
[ -n "$on_windows" ] || lacks=$(missing_tools wine wineserver x86_64-w64-mingw32-g++-posix)
if [ -n "$lacks" ]; then
  echo "SKIPPED: test:windows needs" $lacks "(Debian: apt-get install wine64 wine g++-mingw-w64-x86-64)"
  exit 0
fi
stage=$work/stage
mkdir -p "$stage"
trap end_wine EXIT
prepare_wine

checks=()
for file in test/platforms/windows/*.check.ts; do checks+=("${file%.ts}.js"); done
mkdir -p "$stage/prebuilds"
if [ -n "$on_windows" ]; then
  npm run --silent prebuild
  cp -r prebuilds/win32-x64 "$stage/prebuilds/"
  echo 'SKIPPED native.check: its program is made by MinGW on Linux'
  checks=(test/platforms/windows/pipes.check.js)
else
  bash release/win32-x64.sh "$stage/prebuilds/win32-x64"
  objects=out/cross/win32-x64
  x86_64-w64-mingw32-g++-posix -O1 -std=c++17 -D_WIN32_WINNT=0x0A00 -Wall -Wextra -Werror -Wno-cast-function-type -Inative \
    test/platforms/windows/native_check.cc $objects/platform_win32_{access_list,client,file_directory,notify,peer,pipe,server,sid,system}.o \
    $objects/admission_peer_policy.o -o "$stage/native_check.exe" -ladvapi32 -lntdll -static -s
fi
npm run --silent compile:ts
npx tsc --project test/platforms/windows
cp package.json "$stage/"
rm -rf "$stage/dist" "$stage/out" "$stage/node_modules"
mkdir -p "$stage/out/test" "$stage/node_modules/vitest"
cp -r dist "$stage/"
cp -r out/examples "$stage/out/"
mkdir -p "$stage/out/test/support"
cp -r out/test/support/children "$stage/out/test/support/"
for package in node-gyp-build fast-check pure-rand chai tinyrainbow \
  @vitest/expect @vitest/utils @vitest/spy @vitest/pretty-format @standard-schema/spec; do
  mkdir -p "$(dirname "$stage/node_modules/$package")"
  cp -rL "node_modules/$package" "$stage/node_modules/$package"
done
echo '{ "name": "vitest", "type": "module", "exports": "./index.js" }' >"$stage/node_modules/vitest/package.json"
echo 'export * from "../../test/platforms/windows/vitest.js"' >"$stage/node_modules/vitest/index.js"

# The files of the suite that have a meaning on Windows; left-out.ts lists the tests within them that do not. Not here: what is
# about socket files, Unix users and groups, /proc, LMDB, Go peers, vitest or npm.
suite=(
  unit/base/errors unit/connection/connection unit/connection/dial unit/connection/listener unit/message/message
  unit/endpoints/buffered-sender unit/endpoints/receiver unit/endpoints/sender unit/endpoints/sender-lost
  unit/delivery/acknowledged
  unit/spool/claim unit/spool/files unit/spool/segments unit/spool/spool
  unit/swarm/alerts/alert-bus unit/swarm/facts/genome unit/swarm/exchange/go-selection unit/swarm/protocol/messages
  unit/swarm/peers/peer-registry unit/swarm/protocol/rfc3339 unit/swarm/{transport,listening}
  property/framing security/admission security/audit security/limits security/peer-exit
  integration/swarm-hostile integration/swarm-hostile-listener
)
files=()
for file in "${suite[@]}"; do files+=("test/$file.test.js"); done

passed=0 failed=0 skipped=0
# count WORD REPORT: as the report's last lines say; 0 where it has none
count() {
  local number
  number=$(sed -n "s/^# $1 \([0-9]*\)\r*$/\1/p" "$2" | tail -1)
  echo "${number:-0}"
}
# run_tests VERSION FILE...
run_tests() {
  local version=$1 report=$work/report-$1.txt status=0
  shift
  echo "== $# test files, Node $version for Windows, Wine"
  # One file at a time: there is one swarm a machine.
  run_node "$version" 900 "$stage" "$report" --test --test-force-exit --test-concurrency=1 --test-reporter=tap "$@" \
    2>"$report.errors" || status=$?
  grep -E '^ *ok .* # SKIP' "$report" | sed -E 's/^ *ok [0-9]+ - (.*) # SKIP (.*)/skipped: \1 (\2)/' || true
  # Of each failure its name and its error.
  grep -A12 -E '^ *not ok ' "$report" | head -200 || true
  local fails
  fails=$(($(count fail "$report") + $(count cancelled "$report")))
  passed=$((passed + $(count pass "$report")))
  skipped=$((skipped + $(count skipped "$report")))
  # A run that broke off has told less than there is.
  if [ $status != 0 ] && [ $fails = 0 ]; then
    echo "the run broke off (exit code $status):"
    tail -n 20 "$report" "$report.errors"
    fails=1
  fi
  failed=$((failed + fails))
}

# run_demo NAME EXPECTED ARGUMENT...
run_demo() {
  local name=$1 expected=$2 output=$work/demo.txt
  shift 2
  echo "== demo $name, Node $newer for Windows, Wine"
  if run_node $newer 120 "$stage" "$output" "$@" 2>"$output.errors" && grep -qF "$expected" "$output"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    tail -15 "$output.errors"
  fi
  tail -15 "$output"
}

run_demos() {
  cp test/platforms/windows/events.ndjson "$stage/"
  run_demo soc-pipeline 'adds up: yes' out/examples/soc-pipeline/main.js --no-view events.ndjson
  run_demo swarm 'all 3 nodes hold the same facts: yes' out/examples/swarm/main.js --facts 2000
}

case ${1:-} in
  --demos) run_demos ;;
  '' | --short)
    run_tests $newer "${files[@]}" "${checks[@]}"
    if [ -n "$on_windows" ]; then
      echo 'there is one Node here'
    elif [ -z "${1:-}" ]; then
      run_tests $older "${files[@]}" "${checks[@]}"
    else
      run_tests $older "${checks[@]}"
    fi
    run_demos
    ;;
  *)
    chosen=()
    for file in "${files[@]}" "${checks[@]}"; do case $file in *"$1"*) chosen+=("$file") ;; esac; done
    [ ${#chosen[@]} -gt 0 ] || { echo "no test file's name holds $1" >&2; exit 2; }
    run_tests "${!2:-$newer}" "${chosen[@]}"
    ;;
esac
echo "Windows under Wine: $passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
