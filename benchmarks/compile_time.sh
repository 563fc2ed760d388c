#!/usr/bin/env bash
# Measures the processor seconds for compiling a first program and for building the trainer, as a
# release for this machine's processor:
#   benchmarks/compile_time.sh [--check]     fails above 20 s and 60 s
# CXX is the compiler. Other load on the machine adds up to about a third.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check=${1:-}
[[ $# -le 1 && ( -z $check || $check == --check ) ]] || { sed -n '2,5s/^# \?//p' "$0" >&2; exit 2; }

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
failed=0

# of NAME LIMIT COMMAND...: prints the user time and the elapsed time of the command in seconds
of() {
  local name=$1 limit=$2 TIMEFORMAT='%U %R' user real
  shift 2
  { time "$@" >"$build/log" 2>&1; } 2>"$build/time" || { cat "$build/log" >&2; exit 1; }
  read -r user real <"$build/time"
  printf '%-14s %6.1f s of processor time, limit %2d s; %5.1f s elapsed\n' "$name" "$user" "$limit" "$real"
  awk "BEGIN { exit !($user > $limit) }" && failed=1
  return 0
}

of first_chain 20 "${CXX:-g++}" -std=c++20 -O3 -DNDEBUG -march=native -pthread -ffp-contract=fast \
  -I include -isystem /usr/include/eigen3 examples/first_chain.cpp -o "$build/first_chain"
cmake -S . -B "$build" -D CMAKE_CXX_COMPILER_LAUNCHER= -D CMAKE_CXX_COMPILER="${CXX:-g++}" \
  -D RETRACE_TESTS=OFF -D RETRACE_BENCHMARKS=OFF -D RETRACE_CUDA=OFF >"$build/log"
of train_cifar10 60 cmake --build "$build" --parallel 2 --target train_cifar10
[[ -z $check || $failed == 0 ]]
