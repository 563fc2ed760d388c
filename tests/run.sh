#!/usr/bin/env bash
set -euo pipefail
usage="usage: tests/run.sh [option]...
Installs what is missing with apt, builds everything into build/, and runs the tests.
  --filter REGEX      run only the tests whose name matches, such as layer/ or core/shape
  --sanitize WHICH    build with a sanitizer, into a folder of its own, and run under it:
                      address, undefined, address,undefined or thread (by Clang)
  --cuda              compile the kernels for NVIDIA GPUs as well (nvcc), and run the tests of them
                      that take longer, and those on a GPU if there is one
  --arm               build for 64-bit and 32-bit Arm instead and run under qemu-user: tests/arm.sh,
                      whose options follow (--arm --help)
  --strict            a warning fails the build
  --build-dir DIR     build there instead
  --jobs N            compile N files at a time (default 2)
  --help              print this"

fail() {
  echo "error: $*" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
filter=. sanitize='' build='' jobs=2 strict=OFF cuda=OFF
while [[ $# -gt 0 ]]; do
  case $1 in
    --help) echo "$usage"; exit ;;
    --arm) exec "$root/tests/arm.sh" "${@:2}" ;;
    --strict) strict=ON; shift; continue ;;
    --cuda) cuda=ON; shift; continue ;;
    --filter | --sanitize | --build-dir | --jobs)
      [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value (see --help)" ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
  case $1 in
    --filter) filter=$2 ;;
    --sanitize) sanitize=$2 ;;
    --build-dir) build=$2 ;;
    --jobs) jobs=$2 ;;
  esac
  shift 2
done
case $sanitize in
  '' | address | undefined | address,undefined | thread) ;;
  *) fail "--sanitize is $sanitize, but must be address, undefined, address,undefined or thread" ;;
esac
[[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs is $jobs, but must be a number of at least 1"

# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"
install_dependencies compiler cmake ninja python eigen catch2 cli11 json images lzma
if [[ -e ${CUDA_PATH:-/usr/local/cuda}/include/cuda_runtime.h ]]; then
  install_dependencies boost_context  # for the emulator of CUDA
fi

options=(-D CMAKE_BUILD_TYPE=Release -D RETRACE_BENCHMARKS=ON -D RETRACE_EXAMPLES=ON)
if [[ -z $sanitize ]]; then
  install_dependencies onednn doxygen mpi
  options+=(-D RETRACE_ONEDNN=ON -D RETRACE_MPI=ON)
else
  options=(-D CMAKE_BUILD_TYPE=Debug -D RETRACE_MPI=OFF -D RETRACE_BENCHMARKS=OFF -D RETRACE_EXAMPLES=OFF)
fi
if [[ $sanitize == thread ]]; then
  install_dependencies thread_sanitizer
  options+=(-D CMAKE_CXX_COMPILER=clang++)
fi
if [[ $cuda == ON ]]; then
  command -v nvcc >/dev/null || fail "--cuda needs nvcc (CUDA 12 or newer) on the PATH"
  [[ $filter != . ]] || filter=cuda/
fi
: "${build:=$root/build${sanitize:+-${sanitize/,/-}}}"
[[ -e $build/CMakeCache.txt ]] || options+=(-G Ninja)  # else keep the one it was made with

cmake -S "$root" -B "$build" "${options[@]}" -D RETRACE_TESTS=ON -D RETRACE_TESTS_TOGETHER=8 \
  -D RETRACE_SANITIZE="$sanitize" -D RETRACE_WARNINGS_AS_ERRORS=$strict -D RETRACE_CUDA=$cuda
cmake --build "$build" --parallel "$jobs"
ctest --test-dir "$build" --parallel "$jobs" --output-on-failure --no-tests=error --tests-regex "$filter"
