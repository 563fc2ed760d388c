#!/usr/bin/env bash
# Brings Fashion-MNIST, from Debian's package or from its authors, and checks it.
set -euo pipefail
# shellcheck source=examples/download.sh
. "$(dirname "${BASH_SOURCE[0]}")/download.sh"

directory=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/data/fashion-mnist
package=dataset-fashion-mnist
installed=/usr/share/datasets/fashion-mnist
url=http://fashion-mnist.s3-website.eu-central-1.amazonaws.com

usage() {
  cat <<END
Usage: examples/get_fashion_mnist.sh [options]

Puts the four files of Fashion-MNIST (30 MB) and the names of its classes into DIR:
from Debian's package $package if it is installed or apt-get can download it
(which needs no root), otherwise from its authors. Their contents are checked.
Does nothing if they are there already. Then:

  build/examples/train_images --data DIR

  --dir DIR   where to put them (default: data/fashion-mnist in the repository)
  --url URL   where to download the four files from, in place of the package
  --help      this text
END
}

from_url=
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --dir | --url)
      [ -n "${2:-}" ] || fail "$1 needs a value; see --help"
      if [ "$1" = --dir ]; then directory=$2; else from_url=$2; fi
      shift 2 ;;
    *) fail "unknown option '$1'; see --help" ;;
  esac
done

files=({train,t10k}-{images-idx3,labels-idx1}-ubyte.gz)

# SHA-256 sums of the uncompressed files, which do not depend on the compressor.
declare -A sums=(
  [train-images-idx3-ubyte.gz]=c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
  [train-labels-idx1-ubyte.gz]=bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
  [t10k-images-idx3-ubyte.gz]=5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
  [t10k-labels-idx1-ubyte.gz]=0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
)

# complete FOLDER: whether all four files are there and hold what they should.
complete() {
  local file found
  for file in "${files[@]}"; do
    [ -f "$1/$file" ] || return 1
    found=$(gzip -dc "$1/$file" 2>/dev/null | sha256sum | cut -d ' ' -f 1)
    [ "$found" = "${sums[$file]}" ] || return 1
  done
}

if complete "$directory"; then
  echo "Fashion-MNIST is in $directory already."
  exit 0
fi
for file in "${files[@]}"; do
  [ ! -e "$directory/$file" ] || fail "$directory has files, but not those of Fashion-MNIST." \
    "Move them away or delete them, then run this again."
done

make_scratch "$directory"

# from_package: takes the files out of Debian's package, which it does not install.
from_package() {
  if complete "$installed"; then
    cp "$installed"/*-ubyte.gz "$scratch"
    return
  fi
  unpack_package "$package" || return 1
  mv "$scratch$installed"/*-ubyte.gz "$scratch"
}

# from_authors URL
from_authors() {
  local file
  echo "Downloading from $1"
  for file in "${files[@]}"; do
    if command -v curl >/dev/null; then
      curl --fail --location --silent --show-error --retry 2 --output "$scratch/$file" "$1/$file"
    else
      wget --no-verbose --tries=3 --output-document="$scratch/$file" "$1/$file"
    fi || return 1
  done
}

if [ -n "$from_url" ]; then
  from_authors "$from_url" || fail "the download failed: $from_url" \
    "Check the network and run this again, or name another place with --url."
else
  from_package || from_authors "$url" ||
    fail "neither Debian's package nor the authors' files could be downloaded." \
      "Check the network and run this again, or name another place with --url."
fi
complete "$scratch" ||
  fail "what was downloaded is not Fashion-MNIST, and was deleted." \
    "Run this again, or name another place with --url."

for file in "${files[@]}"; do mv "$scratch/$file" "$directory/"; done
printf '%s\n' T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag 'Ankle boot' \
  >"$directory/classes.txt"
echo "Fashion-MNIST is in $directory."
