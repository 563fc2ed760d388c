#!/usr/bin/env bash
set -euo pipefail
usage="usage: tests/arm.sh [option]...
Builds the tests for 64-bit and for 32-bit Arm (with NEON) and runs them under qemu-user. Installs
the compilers and qemu with apt where they are missing. On two processors all of it takes hours.
  --only arm64|arm32  one of both
  --suites A,B        only the tests in these folders of tests/, such as core,math,cpu,layer
  --jobs N            compile N files at a time (default 2)
  --help              print this"

fail() {
  echo "error: $*" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
targets=(arm64 arm32) suites='' jobs=2
while [[ $# -gt 0 ]]; do
  case $1 in
    --help) echo "$usage"; exit ;;
    --only | --suites | --jobs) [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value (see --help)" ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
  case $1 in
    --only)
      [[ $2 =~ ^arm(64|32)$ ]] || fail "--only is $2, but must be arm64 or arm32"
      targets=("$2") ;;
    --suites) suites=$2 ;;
    --jobs) jobs=$2 ;;
  esac
  shift 2
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs is $jobs, but must be a number of at least 1"

programs=()
for folder in "$root"/tests/*/; do
  suite=$(basename "$folder")
  compgen -G "$folder*_test.cpp" >/dev/null || continue
  [[ $suite == onednn || $suite == cuda ]] && continue  # libraries of the host
  [[ -z $suites || ,$suites, == *,$suite,* ]] && programs+=("test_$suite")
done
[[ ${#programs[@]} -gt 0 ]] || fail "--suites is $suites, but there is no such folder of tests"

# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"
install_dependencies cmake ninja python eigen catch2 qemu "${targets[@]}"

# run_on NAME PROCESSOR PREFIX QEMU FLAGS
run_on() {
  local name=$1
  local processor=$2 prefix=$3 qemu=$4 flags=$5 build=$root/build-$name
  cmake -S "$root" -B "$build" -G Ninja -D CMAKE_SYSTEM_NAME=Linux -D RETRACE_CUDA=OFF \
    -D CMAKE_SYSTEM_PROCESSOR="$processor" -D CMAKE_CXX_COMPILER="$prefix-g++" \
    -D CMAKE_CROSSCOMPILING_EMULATOR="$qemu;-L;/usr/$prefix" -D CMAKE_BUILD_TYPE=Release \
    -D CMAKE_CXX_FLAGS="$flags" -D CMAKE_CXX_FLAGS_RELEASE=-O1 -D RETRACE_NATIVE=OFF \
    -D RETRACE_EXAMPLES=OFF -D RETRACE_BENCHMARKS=OFF -D RETRACE_WARNINGS_AS_ERRORS=ON
  cmake --build "$build" --parallel "$jobs" --target "${programs[@]}"
  local folders=("${programs[@]#test_}")
  ctest --test-dir "$build" --output-on-failure --no-tests=error \
    --tests-regex "^($(IFS='|'; echo "${folders[*]}"))/"
}

for target in "${targets[@]}"; do
  case $target in
    arm64) run_on arm64 aarch64 aarch64-linux-gnu qemu-aarch64 '' ;;
    arm32) run_on arm32 arm arm-linux-gnueabihf qemu-arm '-mfpu=neon -Wno-psabi' ;;
  esac
done
