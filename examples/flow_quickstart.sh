#!/usr/bin/env bash
# Trains two normalising flows, on two moons and on Fashion-MNIST, and draws from them:
#   ./examples/flow_quickstart.sh [option of train_flow]...     (--help lists them)
# Installs what is missing with apt and builds into build/ first. Pictures are in flow_pictures/.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"

install_dependencies compiler cmake ninja cli11 json images

generator=(-G Ninja)
[[ -e $root/build/CMakeCache.txt ]] && generator=()  # keep the one it was made with
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building train_flow ..."
if ! { cmake -S "$root" -B "$root/build" "${generator[@]}" -D CMAKE_BUILD_TYPE=Release -D RETRACE_CUDA=OFF \
    -D RETRACE_EXAMPLES=ON -D RETRACE_TESTS=OFF -D RETRACE_BENCHMARKS=OFF &&
  cmake --build "$root/build" --target train_flow --parallel "$(nproc)"; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "error: train_flow could not be built (see above)" >&2
  exit 1
fi

data=$root/data/fashion-mnist
"$root/examples/get_fashion_mnist.sh" --dir "$data"
program=$root/build/examples/train_flow
"$program" --data moons --batch 256 --epochs 10 --lr 2e-3 --results flow_pictures/moons "$@"
"$program" --data "$data" --bins 32 --depth 4 --width 32 --batch 32 --epochs 100 --max-minutes 3 \
  --steps 1000 --eval-samples 500 --results flow_pictures/fashion-mnist "$@"
