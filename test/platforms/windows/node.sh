#!/usr/bin/env bash
# Runs Node for Windows under Wine where it is called, and prints what it printed, errors too: node.sh newer|older ARGUMENT...
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../../.."
source test/platforms/windows/wine.sh
prepare_wine >&2
version=${!1}
shift
output=$(mktemp)
errors=$(mktemp)
trap 'end_wine; rm -f "$output" "$errors"' EXIT
status=0
run_node "$version" 120 "$here" "$output" "$@" 2>"$errors" || status=$?
tr -d '\r' <"$output"
tr -d '\r' <"$errors" >&2
exit $status
