#!/usr/bin/env bash
set -euo pipefail
usage="usage: examples/train_all.sh --data DIR [option]...
Trains every recipe in examples/recipes/, one after the other, and writes what came out: a table,
a page of curves and the logs. Run it again to continue where it was stopped or killed.
  --data DIR          CIFAR-10 in its binary layout (examples/get_cifar10.sh)
  --only REGEX        only the recipes whose name matches
  --work DIR          checkpoints and logs are kept there (default: build/results)
  --out DIR           results are written there (default: docs/results)
  --max-minutes N     stop after that time, in all
  --help              print this
What follows -- is handed to train_cifar10, in front of the recipe: -- --threads 2"

fail() {
  echo "error: $*" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data='' only=. work=$root/build/results out=$root/docs/results minutes=0
while [[ $# -gt 0 ]]; do
  case $1 in
    --help) echo "$usage"; exit ;;
    --) shift; break ;;
    --data | --only | --work | --out | --max-minutes)
      [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value (see --help)" ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
  case $1 in
    --data) data=$2 ;;
    --only) only=$2 ;;
    --work) work=$2 ;;
    --out) out=$2 ;;
    --max-minutes) minutes=$2 ;;
  esac
  shift 2
done
[[ -n $data ]] || fail "--data is missing (see --help)"
[[ $minutes =~ ^[0-9]+$ ]] || fail "--max-minutes is $minutes, but must be a whole number"
programs=$root/build/examples
[[ -x $programs/train_cifar10 && -x $programs/plot_run ]] ||
  fail "build first: cmake -S . -B build && cmake --build build --target train_cifar10 plot_run"

# Whether the last line of a log is that of the last step.
finished() { [[ -e $1 ]] && tail -n 1 "$1" | grep -qE '"step":([0-9]+),"steps":\1,'; }

status=0
logs=()
for recipe in "$root"/examples/recipes/*.json; do
  name=$(basename "$recipe" .json)
  [[ $name =~ $only ]] || continue
  mkdir -p "$work/$name"
  log=$work/$name/$name.jsonl
  if [[ $status -eq 0 ]] && ! finished "$log"; then
    left=$((minutes > 0 ? minutes - SECONDS / 60 : 0))
    if ((minutes > 0 && left <= 0)); then
      status=1
    else
      echo "==== $name"
      "$programs/train_cifar10" --options "$recipe" --data "$data" --json "$log" --resume \
        --checkpoint-dir "$work/$name" --max-minutes "$left" "$@" || status=$?
    fi
  fi
  if [[ -s $log ]]; then logs+=("$log"); fi
done
[[ ${#logs[@]} -gt 0 ]] || fail "no recipe's name matches $only"

mkdir -p "$out"
"$programs/plot_run" "${logs[@]}" --page "$out/curves.html" --markdown "$out/table.md"
sed -i '1i # Results of the recipes\n' "$out/table.md"
for log in "${logs[@]}"; do gzip -9nc "$log" >"$out/$(basename "$log").gz"; done
cat "$out/table.md"
exit "$status"
