#!/usr/bin/env bash
# Trains a reversible transformer on text for about three minutes, prints its bits per byte beside
# those of xz, and a sample:
#   ./examples/text_quickstart.sh [option of train_text]...     (--help lists them)
# Installs what is missing with apt, builds into build/ and fetches a dictionary (40 MB) first. With
# --data FILE it trains on that file.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"

install_dependencies compiler cmake ninja cli11 json lzma

generator=(-G Ninja)
[[ -e $root/build/CMakeCache.txt ]] && generator=()  # keep the one it was made with
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building train_text ..."
if ! { cmake -S "$root" -B "$root/build" "${generator[@]}" -D CMAKE_BUILD_TYPE=Release -D RETRACE_CUDA=OFF \
    -D RETRACE_EXAMPLES=ON -D RETRACE_TESTS=OFF -D RETRACE_BENCHMARKS=OFF &&
  cmake --build "$root/build" --target train_text --parallel "$(nproc)"; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "error: train_text could not be built (see above)" >&2
  exit 1
fi

data=()
if [[ " $* " != *' --data'* && " $* " != *' --help '* ]]; then
  "$root/examples/get_text.sh" gcide
  data=(--data "$root/data/gcide")
fi
"$root/build/examples/train_text" "${data[@]}" --length 128 --batch 16 --layers 4 --channels 128 \
  --heads 4 --held-out 0.02 --steps 1200 --lr 0.002 --sample 400 "$@"
