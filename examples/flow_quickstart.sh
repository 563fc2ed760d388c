#!/usr/bin/env bash
# Trains two normalising flows, on two moons and on Fashion-MNIST, and draws from them:
#   ./examples/flow_quickstart.sh [option of train_flow]...     (--help lists them)
# Installs what is missing with apt and builds into build/ first. Pictures are in flow_pictures/.
set -euo pipefail
# shellcheck source=examples/build_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/build_program.sh"

build_program train_flow images

data=$root/data/fashion-mnist
"$root/examples/get_fashion_mnist.sh" --dir "$data"
program=$root/build/examples/train_flow
"$program" --data moons --batch 256 --epochs 10 --lr 2e-3 --results flow_pictures/moons "$@"
"$program" --data "$data" --bins 32 --depth 8 --width 48 --batch 32 --epochs 100 --max-minutes 3 \
  --steps 2500 --eval-samples 500 --results flow_pictures/fashion-mnist "$@"
