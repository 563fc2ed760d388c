#!/usr/bin/env bash
# Trains a reversible network on images, then the same one with stored activations, and compares:
#   ./examples/quickstart.sh [option of train_cifar10]...     (--help lists them)
# Installs what is missing with apt and builds into build/ first.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"

install_dependencies compiler cmake ninja cli11 json images

generator=(-G Ninja)
[[ -e $root/build/CMakeCache.txt ]] && generator=()  # keep the one it was made with
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building train_cifar10 ..."
if ! { cmake -S "$root" -B "$root/build" "${generator[@]}" -D CMAKE_BUILD_TYPE=Release -D RETRACE_CUDA=OFF \
    -D RETRACE_EXAMPLES=ON -D RETRACE_TESTS=OFF -D RETRACE_BENCHMARKS=OFF &&
  cmake --build "$root/build" --target train_cifar10 --parallel "$(nproc)"; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "error: train_cifar10 could not be built (see above)" >&2
  exit 1
fi

# What get_cifar10.sh puts there is found from any folder.
data=$root/data/cifar-10-batches-bin
if [[ -z ${RETRACE_CIFAR10:-} && -d $data ]]; then export RETRACE_CIFAR10=$data; fi
"$root/build/examples/train_cifar10" --compare "$@"
