#!/usr/bin/env bash
# Fine-tunes BERT-Tiny on SST-2, with its whole vocabulary and with only the
# pieces of SST-2's training text, and compares size, speed and accuracy.
#
#   recipes/pruned_vocabulary.sh DATA_DIR [WORK_DIR]
#
# A fine-tuned model is then pruned to the pieces of more text, and evaluated.
# DATA_DIR holds glue/SST-2, imdb/ and vocab/; recipes/README.md names the sources.
set -euo pipefail

if [[ $# -lt 1 ]]; then
  echo "usage: $0 DATA_DIR [WORK_DIR]" >&2
  exit 1
fi
data=$(realpath -ms "$1")
work=${2:+$(realpath -ms "$2")}
cd "$(dirname "$0")/.."
work=${work:-work/pruned_vocabulary}
python=${PYTHON:-python}
sst2=$data/glue/SST-2
whole=$work/uncased_L-2_H-128_A-2
mkdir -p "$work"

[ -e "$whole/bert_model.ckpt.index" ] || "$python" -m tools.unpack_encoder \
  --vocab_file="$data/vocab/uncased_vocab.txt" --output_dir="$whole"
for split in train dev; do
  tail -n +2 "$sst2/$split.tsv" | cut -f1 >"$work/$split.txt"
done
[ -e "$work/pruned" ] || "$python" -m tools.prune_vocab \
  --init_checkpoint="$whole" --input_file="$work/train.txt" \
  --heldout_file="$work/dev.txt" --output_dir="$work/pruned"
for encoder in "$whole" "$work/pruned"; do
  "$python" run_classifier.py --task_name=SST-2 --data_dir="$sst2" \
    --init_checkpoint="$encoder" --max_seq_length=64 --do_train --do_eval \
    --num_train_epochs=2 --learning_rate=3e-4 \
    --output_dir="$work/fine_tuned_$(basename "$encoder")"
done
[ -e "$work/reviews.txt" ] || "$python" -m tools.sample_sentences \
  --input_file="$data/imdb/unlabelled_reviews.txt.gz" --num_sentences=20000 \
  --output_file="$work/reviews.txt"
[ -e "$work/pruned_after" ] || "$python" -m tools.prune_vocab \
  --init_checkpoint="$work/fine_tuned_$(basename "$whole")" \
  --input_file="$work/train.txt,$work/reviews.txt" \
  --heldout_file="$work/dev.txt" --output_dir="$work/pruned_after"
"$python" run_classifier.py --task_name=SST-2 --data_dir="$sst2" --do_eval \
  --init_checkpoint="$work/pruned_after" --output_dir="$work/pruned_after_eval"
models=$work/fine_tuned_$(basename "$whole"),$work/fine_tuned_pruned
"$python" -m benchmarks.runs --text_file="$work/dev.txt" --num_rounds=25 \
  --model_dir="$models,$work/pruned_after"
