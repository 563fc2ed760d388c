#!/usr/bin/env bash
# Fits a differential equation to the weekly carbon dioxide at Mauna Loa and draws its predictions:
#   ./examples/ode_quickstart.sh [option of train_ode]...     (--help lists them)
# Installs what is missing with apt, builds into build/ and brings the data first.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"

install_dependencies compiler cmake ninja cli11 json python

generator=(-G Ninja)
[[ -e $root/build/CMakeCache.txt ]] && generator=()  # keep the one it was made with
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building train_ode ..."
if ! { cmake -S "$root" -B "$root/build" "${generator[@]}" -D CMAKE_BUILD_TYPE=Release -D RETRACE_CUDA=OFF \
    -D RETRACE_EXAMPLES=ON -D RETRACE_TESTS=OFF -D RETRACE_BENCHMARKS=OFF &&
  cmake --build "$root/build" --target train_ode --parallel "$(nproc)"; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "error: train_ode could not be built (see above)" >&2
  exit 1
fi

"$root/examples/get_co2.sh"
"$root/build/examples/train_ode" --data "$root/data/co2.csv" --context 52 --horizon 52 \
  --steps 600 --plot "$root/build/ode.svg" "$@"
