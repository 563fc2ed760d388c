# Builds one program of examples/ into build/, and installs what is missing for it with apt. To be
# sourced; $root is the repository from then on:
#   . examples/build_program.sh
#   build_program train_text lzma        # and what install_dependencies knows
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"

build_program() {
  local program=$1 generator=(-G Ninja) log
  install_dependencies compiler cmake ninja cli11 json "${@:2}" || return 1
  [[ -e $root/build/CMakeCache.txt ]] && generator=()  # keep the one it was made with
  log=$(mktemp)
  echo "Building $program ..."
  if ! { cmake -S "$root" -B "$root/build" "${generator[@]}" -D CMAKE_BUILD_TYPE=Release \
      -D RETRACE_CUDA=OFF -D RETRACE_EXAMPLES=ON -D RETRACE_TESTS=OFF -D RETRACE_BENCHMARKS=OFF &&
    cmake --build "$root/build" --target "$program" --parallel "$(nproc)"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "error: $program could not be built (see above)" >&2
    return 1
  fi
  rm -f "$log"
}
