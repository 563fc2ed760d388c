#!/usr/bin/env bash
# Brings text to train on from Debian's packages, which it does not install.
set -euo pipefail
# shellcheck source=examples/download.sh
. "$(dirname "${BASH_SOURCE[0]}")/download.sh"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<END
Usage: examples/get_text.sh [gcide | linux-doc] [--dir DIR]

Puts a text into DIR, out of one of Debian's packages (which needs no root):

  gcide       the GNU Collaborative International Dictionary of English, one file
              of 40 MB from dict-gcide (default)
  linux-doc   the documentation of the Linux kernel, thousands of files from
              linux-doc-6.1, or the newest such package

Does nothing if it is there already. Then:

  build/examples/train_text --data DIR

  --dir DIR   where to put it (default: data/gcide or data/linux-doc in the repository)
  --help      this text
END
}

text=gcide
directory=
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    gcide | linux-doc) text=$1; shift ;;
    --dir)
      [ -n "${2:-}" ] || fail "$1 needs a value; see --help"
      directory=$2
      shift 2 ;;
    *) fail "unknown option '$1'; see --help" ;;
  esac
done
: "${directory:=$root/data/$text}"

# A file that is written last.
finished=$directory/.complete
if [ -e "$finished" ]; then
  echo "The text of $text is in $directory already."
  exit 0
fi
if [ -d "$directory" ] && [ -n "$(ls -A "$directory")" ]; then
  fail "$directory has files, but not the text of $text." \
    "Move them away or delete them, then run this again."
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
  fail "apt-get and dpkg-deb are needed, but are not there; on other systems, get the text of" \
    "$text yourself: train_text takes any file or folder."

make_scratch "$directory"

# unpacked PACKAGE: takes the files out of a package.
unpacked() {
  unpack_package "$1" ||
    fail "Debian's package $1 could not be downloaded." \
      "Check the network, and that apt-get update has been run, and run this again."
}

case $text in
  gcide)
    unpacked dict-gcide
    gzip -dc <"$scratch/usr/share/dictd/gcide.dict.dz" >"$scratch/gcide.txt"
    mv "$scratch/gcide.txt" "$directory/" ;;
  linux-doc)
    package=linux-doc-6.1
    apt-cache show "$package" >/dev/null 2>&1 ||
      package=$(apt-cache --names-only search '^linux-doc-[0-9.]+$' | cut -d ' ' -f 1 | sort -V | tail -n 1)
    [ -n "$package" ] || fail "apt knows no package linux-doc-*; run apt-get update first"
    unpacked "$package"
    # The sources of the pages; what the package calls them depends on its version.
    mkdir "$scratch/text"
    while read -r file; do
      name=${file#"$scratch"/usr/share/doc/}
      name=${name//\//_}
      if [[ $file == *.gz ]]; then
        gzip -dc <"$file" >"$scratch/text/${name%.gz}"
      else
        cp "$file" "$scratch/text/$name"
      fi
    done < <(find "$scratch/usr/share/doc" -type f \
      \( -name '*.rst' -o -name '*.rst.gz' -o -name '*.rst.txt' -o -name '*.rst.txt.gz' \))
    [ -n "$(ls -A "$scratch/text")" ] || fail "$package has no files *.rst"
    mv "$scratch/text"/* "$directory/" ;;
esac
rm -rf "$scratch"
touch "$finished"
echo "The text of $text is in $directory: $(du -sh --apparent-size "$directory" | cut -f 1)."
