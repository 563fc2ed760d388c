#!/usr/bin/env bash
# Trains a reversible transformer on text for about three minutes, prints its bits per byte beside
# those of xz, and a sample:
#   ./examples/text_quickstart.sh [option of train_text]...     (--help lists them)
# Installs what is missing with apt, builds into build/ and fetches a dictionary (40 MB) first. With
# --data FILE it trains on that file.
set -euo pipefail
# shellcheck source=examples/build_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/build_program.sh"

build_program train_text lzma

data=()
if [[ " $* " != *' --data'* && " $* " != *' --help '* ]]; then
  "$root/examples/get_text.sh" gcide
  data=(--data "$root/data/gcide")
fi
"$root/build/examples/train_text" "${data[@]}" --length 128 --batch 16 --layers 4 --channels 128 \
  --heads 4 --held-out 0.02 --steps 1200 --lr 0.002 --sample 400 "$@"
