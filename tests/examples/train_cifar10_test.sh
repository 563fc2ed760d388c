#!/usr/bin/env bash
# What train_cifar10 does with its command line: good answers to bad options, and a log that
# repeats.
set -uo pipefail

program=$1/examples/train_cifar10
if [[ ! -x $program ]]; then
  echo "train_cifar10 was not built: nothing to test"
  exit 0
fi
unset RETRACE_CIFAR10
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

failures=0
fail() {
  echo "FAILED: $*"
  ((++failures))
}

# refuses PATTERN OPTION...: one line on stderr that matches, nothing on stdout, status 2
refuses() {
  local pattern=$1
  shift
  "$program" "$@" >out 2>err
  local status=$?
  [[ $status == 2 ]] || fail "$*: status $status"
  [[ $(wc -l <err) == 1 ]] || fail "$*: not one line: $(<err)"
  [[ $(<err) == "train_cifar10: "* ]] || fail "$*: no name before: $(<err)"
  grep -qE -- "$pattern" err || fail "$*: '$(<err)' does not match '$pattern'"
  [[ -s out ]] && fail "$*: wrote '$(<out)'"
}

# trains OPTION...: two steps on one thread; what it writes goes to out
short=(--blocks '1,1' --batch 4 --eval-images 4 --threads 1)
trains() {
  "$program" "${short[@]}" --steps 2 "$@" >out 2>err || fail "$*: $(<err)"
}

# holds FILE PATTERN
holds() {
  grep -qE -- "$2" "$1" || fail "$1 does not match '$2': $(<"$1")"
}

# ---- Options -----------------------------------------------------------------------------------

refuses 'unknown option --bach, did you mean --batch\?' --bach 4
refuses 'unknown option --learning, did you mean' --learning=0.1
refuses "'revnet' is not an option" revnet
refuses "--batch: 'many' is not a whole number of at least 1" --batch many
refuses "--batch: '0' is not" --batch 0
refuses "--seed: '-1' is not" --seed -1
refuses "--lr: 'nan' is not a number" --lr nan
refuses "--steps: '1.5' is not" --steps 1.5
refuses "--arch is 'resnext', but must be resnet, revnet" --arch resnext
refuses "--mode is 'stord', but must be stored" --mode stord
refuses '--mode reversible is not for resnet, whose modes are stored or checkpoint' \
  --arch resnet --mode reversible
refuses '--mode inverted is not for revnet, whose modes are reversible, chunked, checkpoint or stored' \
  --mode inverted
refuses "--mode checkpoint:K .* but K is '0'" --mode checkpoint:0
refuses '--compare sets another mode beside stored' --compare --mode stored
refuses '--memory plans how memory is spent, so --mode cannot be given' --memory 1M --mode stored
refuses '--save-plan saves what --memory plans' --save-plan plan.json
refuses "--clip needs the norm of all gradients" --fused-optimizer --clip 1
refuses "--micro-batch adds up gradients, which --fused-optimizer does not keep" --fused-optimizer --micro-batch 2
refuses '--channels has 2 levels, but --blocks has 4' --channels 8,16
refuses 'a coupling needs an even number of channels, but x is 1x1x1x7' --plan --channels 7,16 --blocks 1,1
refuses "--memory-limit is '4X', but must be" --memory-limit 4X
refuses '--batch is 30000, but there are only' --batch 30000
refuses 'nowhere/log: No such file or directory' --json nowhere/log

refuses "--on-nan is 'go on', but must be stop or skip" --on-nan 'go on'
refuses "--label-smoothing: '1.5' is not a number from 0 to 1" --label-smoothing 1.5
refuses "--crop-padding: '-1' is not a whole number from 0 to" --crop-padding -1
refuses "--channels: 'x' is not a whole number of at least 1" --channels 8,x
refuses "--channels: '' is not a whole number" --channels 8,

refuses '--resume needs --checkpoint-dir' --resume
refuses '--checkpoint-every needs --checkpoint-dir' --checkpoint-every 5
refuses '--compare trains two networks' --compare --checkpoint-dir c
refuses '--compare measures a step of 128 images' --compare --train-images 127
refuses "--max-minutes: 'soon' is not a number" --max-minutes soon

refuses "--stream is 'fixed8', but must be float, fixed32 or fixed16" --stream fixed8
refuses 'a stream in fixed16 needs .* but layerwise is not' --arch layerwise --stream fixed16
refuses 'fixed point of 16 bits has 0 to 14 fraction bits, not 15' \
  --stream fixed16 --fraction-bits 15
refuses '--fraction-bits are of --stream fixed32 or fixed16' --fraction-bits 9
refuses "--on-overflow is 'wrap', but must be lower or refuse" --on-overflow wrap
refuses "--drift-guard is 'on', but must be anchor, refuse or off" --drift-guard on
refuses '--drift-discard must not be above --drift-warn, but is 90.0 above 80.0' --drift-discard 90

"$program" --help >out 2>err || fail "--help: status $?"
holds out '--weight-decay'

# ---- Options from a file -----------------------------------------------------------------------

# refuses_file PATTERN TEXT
refuses_file() {
  echo "$2" >options.json
  refuses "^train_cifar10: --options options.json: $1" --options options.json
}
refuses_file "unknown key 'bach', did you mean 'batch'\?" '{"bach": 4}'
refuses_file "unknown key 'options'" '{"options": "other.json"}'
refuses_file "--batch: '0' is not a whole number of at least 1" '{"batch": 0}'
refuses_file "--batch: '4.5' is not a whole number" '{"batch": 4.5}'
refuses_file "'batch' is there twice" '{"batch": 4, "batch": 5}'
refuses_file "'lr' is null, but must be" '{"lr": null}'
refuses_file "'blocks' is an empty list" '{"blocks": []}'
refuses_file 'an option cannot be an object' '{"lr": {"peak": 1}}'
refuses_file "'resume' must be true or false" '{"resume": "perhaps"}'
refuses_file 'is not one JSON object' '[]'
refuses_file 'parse error at line 2, column 0' '{"lr": 0.'
refuses '--options nowhere: there is no such file' --options nowhere
refuses '--options \.: is not a file' --options .
head -c 1048577 /dev/zero >large
refuses '--options large: has 1048577 bytes' --options large
rm large options.json

# ---- Data --------------------------------------------------------------------------------------

refuses 'nowhere: there is no such file or folder' --data nowhere
refuses '--read-batches leaves images in their files, but there are none' --read-batches
mkdir short
head -c 3074 /dev/zero >short/data_batch_1.bin
refuses 'short/data_batch_1.bin: has 3074 bytes, but must have a multiple of 3073' --data short
RETRACE_CIFAR10=short refuses 'short/data_batch_1.bin: has 3074 bytes'
mkdir -p data/cifar-10-batches-bin
refuses 'data/cifar-10-batches-bin: has no data: it must have'
rm -r data

# ---- Memory ------------------------------------------------------------------------------------

"$program" --plan --arch hybrid >out 2>err || fail "--plan: $(<err)"
holds out 'level3.block1 .* MB'
holds out 'total +[0-9.]+ MB'

"$program" --arch resnet --batch 256 --memory-limit 200M >out 2>err
[[ $? == 2 ]] || fail "--memory-limit: status is not 2"
holds err '^train_cifar10: level[^:]+: out of memory: cannot allocate .* for .* and the limit is 200.0 MB'
holds err '--arch resnet --mode checkpoint --batch 128 \([0-9.]+ MB\)'
holds err '--arch hybrid --mode inverted --batch 256 \([0-9.]+ MB\)'

# ---- Training ----------------------------------------------------------------------------------

for run in 'resnet stored 8,16' 'resnet-inplace-abn inverted 8,16' 'revnet checkpoint:2 8,16' \
  'irevnet chunked 8,32' 'layerwise layerwise 8,32' 'hybrid inverted 8,32'; do
  read -r arch mode channels <<<"$run"
  trains --arch "$arch" --mode "$mode" --channels "$channels"
  holds out 'step 2/2 .* synthetic accuracy'
  holds out 'synthetic test accuracy .* of the first 4 images'
done

export XDG_CACHE_HOME=$PWD/cache
trains --channels 8,16 --memory 2M --save-plan plan.json --json planned
holds out 'timed steps in 1 of [0-9] modes'
holds out '^level1.block0 +[a-z]+ +[0-9.]+ MB +[0-9.]+ ms'
holds out 'mode planned'
trains --channels 8,16 --memory 2M
grep -q timed out && fail "layers are timed again"
python3 - <<'PYTHON' || fail "the plan is not what it should be"
import json

plan = json.load(open("plan.json"))
assert plan["batch"] == plan["micro_batch"] == 4 and plan["seconds"] > 0
assert [layer["name"] for layer in plan["layers"]][:2] == ["stem", "level1.block0"]
for line in open("planned"):
    assert sum(json.loads(line)["peak_bytes"].values()) == plan["peak_bytes"] <= 2e6
PYTHON
"$program" "${short[@]}" --channels 8,16 --memory 100k >out 2>err
[[ $? == 2 ]] || fail "--memory too small: status is not 2"
holds err '^train_cifar10: no plan fits 100.0 kB: the smallest that does takes'

trains --channels 8,16 --seed 7 --json apart
trains --channels 8,16 --seed 7 --json fused --fused-optimizer --clip-each 1e9
trains --channels 8,16 --seed 7 --json clipped --clip 1e-3
trains --channels 8,16 --seed 7 --json smoothed --label-smoothing 0.2
trains --channels 8,16 --seed 7 --json ahead --nesterov
trains --channels 8,16 --seed 7 --json uncropped --crop-padding 0
trains --channels 8,16 --seed 7 --micro-batch 2
holds out 'micro-batches of 2'
python3 - <<'PYTHON' || fail "options of the optimizer, the loss or the images do not do what they should"
import json

def last(name):
    return [json.loads(line) for line in open(name)][-1]

def losses(name):
    return [json.loads(line)["loss"] for line in open(name)]

apart, smoothed, ahead = losses("apart"), losses("smoothed"), losses("ahead")
assert smoothed[0] != apart[0] != losses("uncropped")[0]
assert ahead[0] == apart[0] and ahead[1] != apart[1]  # one step later it is elsewhere

assert last("apart")["loss"] == last("fused")["loss"] != last("clipped")["loss"]
assert last("fused")["peak_bytes"]["parameter_gradient"] < last("apart")["peak_bytes"]["parameter_gradient"] / 2
PYTHON

trains --compare --channels 8,16
holds out 'synthetic test accuracy, first 4 images .* % .* %'
holds out 'bytes per input pixel'
grep -i 'accuracy' out | grep -v 'synthetic' && fail "an accuracy does not say that it is synthetic"

trains --channels 8,16 --stream fixed16
holds out 'revnet, mode reversible, stream fixed16'
trains --arch irevnet --channels 8,32 --stream fixed32

trains --channels 8,16 --stream fixed16 --fraction-bits 14
holds out 'step 1 is discarded: level1.* 14 fraction bits; it has one less from now on'
"$program" "${short[@]}" --channels 8,16 --stream fixed16 --fraction-bits 14 --on-overflow refuse \
  >out 2>err
[[ $? == 2 ]] || fail "an overflow that is refused: status is not 2"
holds err '^train_cifar10: level1.*: .* 14 fraction bits: take fewer'

# A layer-wise net whose slope loses all digits within a few blocks.
steep=(--arch layerwise --channels 8 --blocks 12 --slope 0.02 --batch 4 --eval-images 4 --threads 1)
"$program" "${steep[@]}" --steps 4 --json steep >out 2>err || fail "steep: $(<err)"
holds out '^step 1 is discarded: the input of level1.block.* was reconstructed with .* dB'
holds out '^anchor: level1.block.* keeps its input from now on; a step will hold [0-9.]+ MB'
holds steep '"discarded":"the input of level1.*"lowest_snr_db":-?[0-9.]+.*"anchored":true'
"$program" "${steep[@]}" --steps 4 --drift-guard refuse >out 2>err
[[ $? == 2 ]] || fail "--drift-guard refuse: status is not 2"
holds err '^train_cifar10: level1.block.*: its reconstructed input has .* dB'
"$program" "${steep[@]}" --steps 1 --drift-guard off >out 2>err
grep -q 'discarded' out && fail "--drift-guard off discards a step"

"$program" "${short[@]}" --channels 8,16 --steps 50 --lr 1e30 >out 2>err
[[ $? == 2 ]] || fail "a loss that is not finite: status is not 2"
holds err '^train_cifar10: at step [0-9]+: the (loss is (NaN|infinite)|gradient of .* not finite)'

# An option that is given again replaces what it was.
trains --channels 4,8 --channels 8,16 --seed 1 --seed 7 --batch 2 --batch 4 --json again
[[ $(sed 's/"images_per_second.*//' again) == "$(sed 's/"images_per_second.*//' apart)" ]] ||
  fail "options that are given twice are not the last ones"

# Weights to start from: all of a network's, or all but the head of one for other classes.
trains --channels 8,16 --checkpoint-dir first
trains --channels 8,16 --start-from first/best.safetensors
holds out 'starting from [0-9]+ of [0-9]+ tensors of first/best.safetensors$'
trains --channels 8,32 --start-from first/best.safetensors
holds out 'starting from [0-9]+ of [0-9]+ tensors .*; it has no level2.*head.linear.weight.* of this shape'
refuses 'first/nowhere: there is no such file' --start-from first/nowhere "${short[@]}" \
  --channels 8,16

# The file says what the command line leaves open.
echo '{"channels": [8, 16], "lr": 1e30, "seed": 5, "mode": "stored"}' >options.json
trains --options options.json --lr 0.1 --json log
holds out 'mode stored'
holds log '"seed":5,.*"learning_rate":0.004'

# ---- Saving and continuing ---------------------------------------------------------------------

tiny=("${short[@]}" --channels '8,16' --train-images 16)
"$program" "${tiny[@]}" --steps 6 --checkpoint-dir c --checkpoint-every 2 --json log >out 2>err ||
  fail "--checkpoint-dir: $(<err)"
[[ $(ls c) == best.safetensors*checkpoint-00000004*checkpoint-00000006.safetensors ]] ||
  fail "checkpoints are $(ls c)"
refuses 'c holds the checkpoints of a training: pass --resume' \
  "${tiny[@]}" --steps 6 --checkpoint-dir c
refuses '--clip is 0.0 there and 1.0 here' \
  "${tiny[@]}" --steps 6 --clip 1 --checkpoint-dir c --resume
refuses '--micro-batch is 0 there and 2 here' \
  "${tiny[@]}" --steps 6 --micro-batch 2 --checkpoint-dir c --resume
refuses '--label-smoothing is not set there and 0.1 here' \
  "${tiny[@]}" --steps 6 --label-smoothing 0.1 --checkpoint-dir c --resume
refuses 'c/checkpoint-00000006.safetensors is after step 6, but training is to have 3 steps' \
  "${tiny[@]}" --steps 3 --checkpoint-dir c --resume
refuses 'in use by another training|is of another training' \
  "${tiny[@]}" --steps 6 --arch resnet --checkpoint-dir c --resume
"$program" "${tiny[@]}" --steps 6 --checkpoint-dir c --resume --mode stored --json log \
  >out 2>err || fail "--resume at the end: $(<err)"
holds out 'continuing after step 6 from c/checkpoint-00000006.safetensors'
holds out 'note: mode was reversible and is stored now'
[[ $(wc -l <log) == 6 ]] || fail "a log that was complete has $(wc -l <log) lines"
cp -r c longer
"$program" "${tiny[@]}" --steps 8 --checkpoint-dir longer --resume >out 2>err ||
  fail "--resume with more steps: $(<err)"
holds out 'note: training has another length: --steps is 6 there and 8 here'
holds out 'step 8/8'
rm c/checkpoint-00000006.safetensors
printf '{"arch":"revnet","mode":"rev' >>log  # as a killed process would leave it
"$program" "${tiny[@]}" --steps 6 --checkpoint-dir c --resume --json log >out 2>err ||
  fail "--resume: $(<err)"
holds out 'continuing after step 4'
[[ $(grep -c '"step":[1-6],"steps":6' log) == 6 && $(wc -l <log) == 6 ]] ||
  fail "the log of a continued training has $(wc -l <log) lines"

# ---- The log -----------------------------------------------------------------------------------

trains --channels 8,16 --seed 7 --json one
trains --channels 8,16 --seed 7 --json two
trains --channels 8,16 --seed 8 --json three
python3 - <<'PYTHON' || fail "the log is not what it should be"
import json

def log(name):
    return [json.loads(line) for line in open(name)]

def losses(name):
    return [(line["loss"], line.get("test_loss")) for line in log(name)]

uses = {"activation", "gradient", "stash", "parameter", "parameter_gradient", "optimizer",
        "workspace"}
assert [line["step"] for line in log("one")] == [1, 2]
for line in log("one"):
    assert line["epoch"] == 1 and line["data"] == "synthetic", line
    assert 0 <= line["train_accuracy"] <= 1 and line["images_per_second"] > 0, line
    assert line["learning_rate"] > 0 and set(line["peak_bytes"]) == uses, line
assert "test_accuracy" not in log("one")[0] and "test_accuracy" in log("one")[1]
assert losses("one") == losses("two"), "the same seed gives other losses"
assert losses("one") != losses("three"), "another seed gives the same losses"
PYTHON

((failures == 0)) && echo "all passed"
exit $((failures > 0))
