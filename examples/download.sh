# What the scripts get_*.sh share: messages, a scratch folder and Debian's packages. To be sourced.
# shellcheck shell=bash

# fail LINE...: prints the lines after the name of the script, and ends it.
fail() {
  local line
  for line in "$@"; do echo "$(basename "$0"): $line" >&2; done
  exit 1
}

# make_scratch FOLDER: makes the folder, and in it the folder $scratch, which is removed at the end
# of the script. If the script fails, the folder is removed too, unless it was there before.
make_scratch() {
  _created=
  [ -d "$1" ] || _created=$1
  mkdir -p "$1" || fail "cannot make $1; choose another place with --dir"
  trap _clean_up EXIT
  scratch=$(mktemp -d "$1/.download.XXXXXX") ||
    fail "cannot write into $1; choose another place with --dir"
}

_clean_up() {
  if [ -n "${scratch:-}" ]; then rm -rf "$scratch"; fi
  if [ -n "$_created" ]; then rmdir "$_created" 2>/dev/null || true; fi
}

# unpack_package NAME: downloads one of Debian's packages and takes its files out into $scratch,
# which needs no root. Returns 1 if that fails.
unpack_package() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  echo "Downloading Debian's package $1"
  (cd "$scratch" && apt-get download "$1" >/dev/null 2>&1 && dpkg-deb -x ./*.deb .)
}
