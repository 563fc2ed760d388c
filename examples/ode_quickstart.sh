#!/usr/bin/env bash
# Fits a differential equation to the weekly carbon dioxide at Mauna Loa and draws its predictions:
#   ./examples/ode_quickstart.sh [option of train_ode]...     (--help lists them)
# Installs what is missing with apt, builds into build/ and brings the data first.
set -euo pipefail
# shellcheck source=examples/build_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/build_program.sh"

build_program train_ode python

"$root/examples/get_co2.sh"
"$root/build/examples/train_ode" --data "$root/data/co2.csv" --context 52 --horizon 52 \
  --steps 600 --plot "$root/build/ode.svg" "$@"
