#!/usr/bin/env bash
set -euo pipefail
usage="usage: tests/fuzz/run.sh [option]...
Builds the fuzz targets with Clang, and runs each on its corpus in tests/fuzz/corpus/.
  --seconds N      of each target, two at a time (default 50)
  --filter REGEX   run only the targets whose name matches
  --build-dir DIR  build there instead of in build-fuzz/
  --grow           add to the corpus the inputs that reached something new
  --help           print this
A finding is left in the build folder, with the command that repeats it."

fail() {
  echo "error: $*" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
seconds=50 filter=. build=$root/build-fuzz grow=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --help) echo "$usage"; exit ;;
    --grow) grow=1; shift; continue ;;
    --seconds | --filter | --build-dir)
      [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value (see --help)" ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
  case $1 in
    --seconds) seconds=$2 ;;
    --filter) filter=$2 ;;
    --build-dir) build=$2 ;;
  esac
  shift 2
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "--seconds is $seconds, but must be a number of at least 1"

# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"
install_dependencies cmake ninja eigen cli11 json images fuzzer

generator=(-G Ninja)
[[ -e $build/CMakeCache.txt ]] && generator=()  # keep the one it was made with
cmake -S "$root" -B "$build" "${generator[@]}" -D CMAKE_CXX_COMPILER=clang++ -D RETRACE_CUDA=OFF \
  -D CMAKE_BUILD_TYPE=Debug -D RETRACE_FUZZ=ON -D RETRACE_EXAMPLES=OFF -D RETRACE_BENCHMARKS=OFF
cmake --build "$build" --parallel 2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fuzz CORPUS: fuzzes the target of that name; its log is $scratch/NAME.log.
fuzz() {
  local name
  name=$(basename "$1")
  mkdir "$scratch/$name"
  cd "$build" && "$build/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=1024 -print_final_stats=1 "$scratch/$name" "$1" >"$scratch/$name.log" 2>&1
}

corpora=()
for corpus in "$root"/tests/fuzz/corpus/*/; do
  [[ $(basename "$corpus") =~ $filter ]] && corpora+=("$corpus")
done
failed=0
for ((first = 0; first < ${#corpora[@]}; first += 2)); do  # a fuzzer keeps one core busy
  pids=()
  for corpus in "${corpora[@]:first:2}"; do
    fuzz "$corpus" &
    pids+=($!)
  done
  for corpus in "${corpora[@]:first:2}"; do
    name=$(basename "$corpus")
    wait "${pids[0]}" || failed=1
    pids=("${pids[@]:1}")
    echo "==== $name, $seconds s"
    grep -E 'ERROR|SUMMARY|Test unit written|stat::number_of_executed|stat::peak_rss|cov:' \
      "$scratch/$name.log" | tail -n 5
    if [[ -n $grow ]]; then "$build/fuzz/fuzz_$name" -merge=1 "$corpus" "$scratch/$name" 2>/dev/null; fi
  done
done
exit "$failed"
