#!/usr/bin/env bash
# Runs clang-tidy with .clang-tidy over all headers at once, those of oneDNN and MPI where they are
# installed:
#   tests/tidy.sh
# Fails on a finding. A function of more than 60 lines is one.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || {
  echo "error: clang-tidy is not installed (Debian package clang-tidy)" >&2
  exit 2
}

mpi=$(mpicxx --showme:incdirs 2>/dev/null || true)
# Below the root, so that .clang-tidy is found.
mkdir -p "$root/build-tidy"
unit=$root/build-tidy/all_headers.cpp
(cd "$root/include" && find retrace -name '*.hpp' | sort) | while read -r header; do
  if [[ $header == retrace/parallel/mpi_* ]]; then
    [[ -z $mpi ]] || echo "#include <$header>"
  elif [[ $header != retrace/onednn/* || -e /usr/include/oneapi/dnnl/dnnl.hpp ]]; then
    echo "#include <$header>"
  fi
done >"$unit"
"$tidy" --quiet --header-filter="^$root/include/retrace/" "$unit" -- \
  -std=c++20 -I "$root/include" -isystem /usr/include/eigen3 \
  ${mpi:+$(printf -- '-isystem %s ' $mpi)} -pthread
