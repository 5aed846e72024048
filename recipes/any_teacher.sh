#!/usr/bin/env bash
# Distils a teacher from scikit-learn into BERT-Tiny, on SST-2.
#
#   recipes/any_teacher.sh DATA_DIR [WORK_DIR]
#
# DATA_DIR holds glue/SST-2, imdb/ and vocab/; recipes/README.md names the sources.
set -euo pipefail

if [[ $# -lt 1 ]]; then
  echo "usage: $0 DATA_DIR [WORK_DIR]" >&2
  exit 1
fi
data=$(realpath -ms "$1")
work=${2:+$(realpath -ms "$2")}
cd "$(dirname "$0")/.."
work=${work:-work/any_teacher}
python=${PYTHON:-python}
sst2=$data/glue/SST-2
vocab=$data/vocab/uncased_vocab.txt
encoder=$work/uncased_L-2_H-128_A-2
mkdir -p "$work"

[ -e "$encoder/bert_model.ckpt.index" ] || "$python" -m tools.unpack_encoder \
  --vocab_file="$vocab" --output_dir="$encoder"
[ -e "$work/transfer.txt" ] || "$python" -m tools.sample_sentences \
  --input_file="$data/imdb/unlabelled_reviews.txt.gz" --num_sentences=20000 \
  --output_file="$work/transfer.txt"
[ -e "$work/dev.csv" ] || "$python" -m recipes.scikit_learn_teacher \
  --data_dir="$sst2" --text_file="$work/transfer.txt" \
  --scores_file="$work/scores.csv" --dev_scores_file="$work/dev.csv"

task=(--task_name=SST-2 "--data_dir=$sst2" --max_seq_length=64
  "--vocab_file=$vocab" "--init_checkpoint=$encoder")
"$python" run_distillation.py "${task[@]}" --do_import_logits \
  --teacher_scores="$work/scores.csv" --teacher_dev_scores="$work/dev.csv" \
  --teacher_name='scikit-learn, TF-IDF and logistic regression' \
  --logits_dir="$work/dump" --do_train --do_eval --bert_size=2/128 \
  --learning_rate=1e-3 --num_train_epochs=3 --output_dir="$work/student"
