#!/usr/bin/env bash
set -euo pipefail
usage="usage: benchmarks/compare_pytorch.sh [option]...
Builds this library's step_time, finds or installs PyTorch and MemCNN, and times training steps of both libraries, alternating.
  --python PYTHON      the interpreter whose PyTorch is measured; default: python3 or /usr/bin/python3 if one has
                       PyTorch; otherwise Debian's python3-torch is installed with apt
  --without-memcnn     do not install MemCNN (from PyPI, in the build folder) if it cannot be imported
  --build-dir DIR      build in DIR instead of build/
  --help               print this, and the options of the comparison"

fail() {
  echo "error: $*" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
compare=$root/benchmarks/compare_pytorch/compare.py
build=$root/build python='' memcnn=yes rest=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --help)
      echo "$usage"
      python3 "$compare" --step-time none --help | sed -n '/^options:/,$p' | sed '/--help/d'
      exit ;;
    --without-memcnn) memcnn=no; shift ;;
    --python | --build-dir)
      [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value (see --help)"
      [[ $1 == --python ]] && python=$2 || build=$2
      shift 2 ;;
    *) rest+=("$1"); shift ;;
  esac
done

# shellcheck source=examples/install_dependencies.sh
. "$root/examples/install_dependencies.sh"
install_dependencies python
python3 "$compare" --step-time none --list "${rest[@]}" >/dev/null  # finds wrong options before the build

has_torch() { "$1" -c 'import torch' >/dev/null 2>&1; }
if [[ -n $python ]]; then
  has_torch "$python" || fail "$python cannot import torch: $("$python" -c 'import torch' 2>&1 | tail -n 1)"
else
  for python in python3 /usr/bin/python3 ''; do
    [[ -n $python ]] && has_torch "$python" && break
  done
  if [[ -z $python ]]; then
    install_dependencies torch
    python=/usr/bin/python3
    has_torch "$python" || fail "python3-torch is installed, but $python cannot import torch"
  fi
fi

packages=$build/python
export PYTHONPATH=$packages${PYTHONPATH:+:$PYTHONPATH}
if [[ $memcnn == yes ]] && ! "$python" -W ignore -c 'import memcnn' 2>/dev/null; then
  echo "Installing MemCNN ..." >&2
  "$python" -m pip install --quiet --no-deps --target "$packages" memcnn==1.5.2 >&2 ||
    python3 -m pip install --quiet --no-deps --target "$packages" memcnn==1.5.2 >&2 ||
    echo "MemCNN could not be installed: its rows are skipped" >&2
fi

install_dependencies compiler cmake ninja eigen cli11 json
options=(-D CMAKE_BUILD_TYPE=Release -D RETRACE_BENCHMARKS=ON)
[[ -e $build/CMakeCache.txt ]] || options+=(-G Ninja -D RETRACE_TESTS=OFF -D RETRACE_EXAMPLES=OFF)
echo "Building step_time ..." >&2
cmake -S "$root" -B "$build" "${options[@]}" >/dev/null
cmake --build "$build" --parallel 2 --target step_time >/dev/null

exec python3 "$compare" --step-time "$build/benchmarks/step_time" --python "$python" "${rest[@]}"
