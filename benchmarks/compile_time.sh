#!/usr/bin/env bash
# Seconds of processor that it takes to compile a first program, and the trainer, as a release for
# this machine's processor:
#   benchmarks/compile_time.sh [--check]     fails above 20 s and 60 s
# CXX is the compiler. What else the machine does adds to them, by a third or so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check=${1:-}
[[ $# -le 1 && ( -z $check || $check == --check ) ]] || { sed -n '2,5s/^# \?//p' "$0" >&2; exit 2; }

object=$(mktemp)
trap 'rm -f "$object"' EXIT
options=(-std=c++20 -O3 -DNDEBUG -march=native -fopenmp -ffp-contract=fast
  -I include -I examples/support -isystem /usr/include/eigen3)

# Prints the seconds of user time that compiling one file takes.
seconds_of() {
  local TIMEFORMAT=%U
  { time "${CXX:-g++}" "${options[@]}" -c "$1" -o "$object" 2>&3; } 3>&2 2>&1
}

# of NAME LIMIT FILE...: prints the sum, and the file that takes most of it
failed=0
of() {
  local name=$1 limit=$2 file each=()
  shift 2
  for file in "$@"; do each+=("$(seconds_of "$file") $(basename "$file")"); done
  local sum
  sum=$(printf '%s\n' "${each[@]}" | awk '{ sum += $1 } END { printf "%.1f", sum }')
  printf '%-16s %6s s of processor, of %2d s; %s files, the longest %s\n' "$name" "$sum" "$limit" $# \
    "$(printf '%s\n' "${each[@]}" | sort -rn | awk 'NR == 1 { print $2 ", " $1 " s" }')"
  awk "BEGIN { exit !($sum > $limit) }" && failed=1
  return 0
}

of first_chain 20 examples/first_chain.cpp
of train_cifar10 60 examples/train_cifar10/*.cpp \
  examples/support/{float_networks,other_device,table,text}.cpp
[[ -z $check || $failed == 0 ]]
