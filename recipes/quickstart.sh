#!/usr/bin/env bash
# The whole pipeline in 15 minutes on 2 CPU cores, without downloading data: which
# library does a sentence of a docstring come from?
#
#   make quickstart, or: recipes/quickstart.sh [WORK_DIR]
#
# The text and the task come from the docstrings of the installed packages. The
# recipe pre-trains BERT-Tiny on them, fine-tunes MiniLM as the teacher, scores
# unlabelled sentences with it, and distils BERT-Tiny on the scores. An
# interrupted recipe resumes when its command is given again.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-quickstart}
python=${PYTHON:-python}
results=$work/results/quickstart
begin=$SECONDS
mkdir -p "$results"
cp recipes/quickstart.json "$results/experiment.json"

source recipes/common.sh

say() {
  printf '\n== %s (%d min %d s so far)\n' "$*" \
    $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))
}

say 'Text and task from the installed docstrings'
"$python" -m tools.extract_docstrings --output_dir="$work/data" --seed=1 \
  --transfer_sentences=20000
labels=$(paste -sd, "$work/data/labels.txt")
"$python" -m tools.bag_of_words --data_dir="$work/data" \
  --results_dir="$results"

say 'MiniLM, the model for the teacher'
if [ ! -e "$work/teacher-0/bert_config.json" ]; then
  if model=$(PYTHON=$python bash recipes/fetch_minilm.sh "$work/download"); then
    "$python" -m tools.import_hugging_face --input_dir="$model" \
      --output_dir="$work/teacher-0"
  else
    echo 'MiniLM is not available: a BERT-Mini, pre-trained here, replaces it.'
  fi
fi
if [ -e "$work/teacher-0/bert_config.json" ]; then
  vocab=$work/teacher-0/vocab.txt
else
  vocab=$work/vocab.txt
  [ -e "$vocab" ] || "$python" -m tools.build_vocab --vocab_size=8000 \
    --input_file="$work/data/docstrings.txt" --output_file="$vocab"
fi

say 'Pre-training records'
[ -e "$work/docstrings.tfrecord.index.json" ] ||
  "$python" data/create_pretraining_data.py \
    --input_file="$work/data/docstrings.txt" --vocab_file="$vocab" \
    --output_file="$work/docstrings.tfrecord" --dupe_factor=5 \
    --max_seq_length=64 --max_predictions_per_seq=10

# A small model that is trained briefly learns faster from larger weights.
tiny=(--bert_size=tiny --initializer_range=0.06)

pretrain() {  # folder, steps, size
  "$python" run_pretraining.py --do_train "${@:3}" \
    --vocab_file="$vocab" --input_file="$work/docstrings.tfrecord" \
    --output_dir="$1" --max_seq_length=64 --max_predictions_per_seq=10 \
    --learning_rate=1e-3 --num_train_steps="$2" --dropout_rate=0 \
    --num_warmup_steps=$(($2 / 10)) --log_steps=50
}

say 'BERT-Tiny, pre-trained on the docstrings'
pretrain "$work/tiny" 1600 "${tiny[@]}"
if [ ! -e "$work/teacher-0/bert_config.json" ]; then
  say 'BERT-Mini, pre-trained on the docstrings'
  pretrain "$work/mini" 1000 --bert_size=mini
  teacher=$work/mini
  dump=(--allow_weak_teacher)  # It may be no better than a constant guess.
else
  teacher=$work/teacher-0
  dump=()
fi

task=(--task_name=custom "--labels=$labels" "--data_dir=$work/data"
  "--vocab_file=$vocab" --max_seq_length=64)
scored=(--do_eval --eval_split=test --eval_batch_size=64 --log_steps=50)

run() {  # method, seed, folder, command; skipped if its result is recorded
  [ -e "$results/$1_seed$2.json" ] || run_and_record "$@"
}

say 'The teacher, fine-tuned on 2,000 labelled sentences'
# 12345 is the default seed.
run teacher 12345 "$work/teacher" run_classifier.py "${task[@]}" --do_train \
  "${scored[@]}" --bert_config_file="$teacher/bert_config.json" \
  --init_checkpoint="$teacher" --num_train_epochs=3 --learning_rate=1e-4

say 'Its logits on the unlabelled sentences'
[ -e "$work/dump/manifest.json" ] ||
  "$python" run_distillation.py "${task[@]}" --do_dump_logits "${dump[@]}" \
    --logits_dir="$work/dump" --teacher_checkpoint="$work/teacher" \
    --transfer_file="$work/data/transfer.txt" --transfer_split=train \
    --predict_batch_size=64

fine_tune() {  # method, seed, more flags
  run "$1" "$2" "$work/$1-$2" run_classifier.py "${task[@]}" "${tiny[@]}" \
    --seed="$2" --do_train "${scored[@]}" --learning_rate=1e-3 \
    --num_train_epochs=8 "${@:3}"
}
distil() {  # method, seed, more flags
  run "$1" "$2" "$work/$1-$2" run_distillation.py "${task[@]}" "${tiny[@]}" \
    --seed="$2" --do_train "${scored[@]}" --logits_dir="$work/dump" \
    --learning_rate=1e-3 --num_train_epochs=3 "${@:3}"
}
students() {  # seed
  fine_tune basic "$1"
  fine_tune PF "$1" --init_checkpoint="$work/tiny"
  distil distillation "$1"
  distil PD "$1" --init_checkpoint="$work/tiny"
}

say 'Basic, PF, distillation and PD, with two seeds side by side'
# So small a model gains almost nothing from a second core.
export TF_NUM_INTRAOP_THREADS=1
pids=()
for seed in 1 2; do
  students "$seed" 2>&1 | sed -u "s/^/seed $seed: /" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done

say 'Done'
"$python" -m tools.report --results_dir="$results" --output_dir="$work"
