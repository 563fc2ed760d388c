#!/usr/bin/env bash
# Downloads CIFAR-10 in its binary layout, checks it, and unpacks it.
set -euo pipefail
# shellcheck source=examples/download.sh
. "$(dirname "${BASH_SOURCE[0]}")/download.sh"

directory=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/data
url=https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz
checksum=md5sum
expected=c32a1d4ab5d03f1284b67883e8d87530
folder=cifar-10-batches-bin

usage() {
  cat <<END
Usage: examples/get_cifar10.sh [options]

Downloads CIFAR-10 (170 MB), checks it, and unpacks it into DIR/$folder.
Does nothing if it is there already. train_cifar10 finds it in data/ by itself.

  --dir DIR      where to unpack (default: data/ in the repository)
  --url URL      where to download from (default: $url)
  --md5 SUM      the MD5 sum the download has to have (default: $expected)
  --sha256 SUM   the SHA-256 sum the download has to have, in place of the MD5 sum
  --help         this text
END
}

while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --dir | --url | --md5 | --sha256)
      [ -n "${2:-}" ] || fail "$1 needs a value; see --help"
      case $1 in
        --dir) directory=$2 ;;
        --url) url=$2 ;;
        *) checksum=${1#--}sum expected=${2,,} ;;
      esac
      shift 2 ;;
    *) fail "unknown option '$1'; see --help" ;;
  esac
done

files=(data_batch_{1..5}.bin test_batch.bin)

# complete FOLDER: whether all six files are there, each of 10,000 records of 3073 bytes.
complete() {
  local file
  for file in "${files[@]}"; do
    [ -f "$1/$file" ] && [ "$(wc -c <"$1/$file")" -eq 30730000 ] || return 1
  done
}

target=$directory/$folder
if complete "$target"; then
  echo "CIFAR-10 is in $target already."
  exit 0
fi
[ ! -e "$target" ] || fail "$target is there but is not complete." \
  "Move it away or delete it, then run this again."

if command -v curl >/dev/null; then
  bar=--silent
  if [ -t 2 ]; then bar=--progress-bar; fi
  download() { curl --fail --location "$bar" --show-error --retry 2 --output "$2" "$1"; }
elif command -v wget >/dev/null; then
  download() { wget --no-verbose --tries=3 --output-document="$2" "$1"; }
else
  fail "neither curl nor wget is installed." "Install one: apt-get install curl"
fi

# All is done in a scratch folder beside the target, and the last step renames: if anything fails,
# no part of it remains.
make_scratch "$directory"

echo "Downloading $url"
download "$url" "$scratch/archive.tar.gz" ||
  fail "the download failed: $url" \
    "Check the network and run this again, or name another place with --url."

found=$("$checksum" <"$scratch/archive.tar.gz" | cut -d ' ' -f 1)
[ "$found" = "$expected" ] ||
  fail "the download is not what it should be, and was deleted." \
    "  ${checksum%sum} is        $found" \
    "  but should be $expected" \
    "Run this again; if that does not help, the file at" \
    "  $url" \
    "has changed: find out why before you pass its sum with --${checksum%sum}."

tar -xzf "$scratch/archive.tar.gz" --no-same-owner -C "$scratch" ||
  fail "the archive cannot be unpacked: is the disk full, or --url no .tar.gz?"
complete "$scratch/$folder" ||
  fail "the archive does not hold $folder with ${files[*]} of 30730000 bytes each." \
    "Is --url the binary version of CIFAR-10?"
mv "$scratch/$folder" "$target"
echo "CIFAR-10 is in $target."
