#!/usr/bin/env bash
# Trains a reversible network on images, then the same one with stored activations, and compares:
#   ./examples/quickstart.sh [option of train_cifar10]...     (--help lists them)
# Installs what is missing with apt and builds into build/ first.
set -euo pipefail
# shellcheck source=examples/build_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/build_program.sh"

build_program train_cifar10 images

# What get_cifar10.sh puts there is found from any folder.
data=$root/data/cifar-10-batches-bin
if [[ -z ${RETRACE_CIFAR10:-} && -d $data ]]; then export RETRACE_CIFAR10=$data; fi
"$root/build/examples/train_cifar10" --compare "$@"
