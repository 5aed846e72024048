#!/usr/bin/env bash
# Measures everything that needs a GPU, in at most 20 minutes:
#
#   benchmarks/gpu.sh DATA_DIR RESULTS_DIR
#
# DATA_DIR holds vocab/uncased_vocab.txt, wiki/ and glue/SST-2; recipes/README.md
# names the sources. Each part has a time limit and writes its results as they
# come, so that what is cut off loses only its rest:
#
#   ratios      this project and Hugging Face: speed, memory, start (8 minutes)
#   tests       the tests that use the GPU (3 minutes)
#   variants    what the graph, dropout and float32 cost (90 seconds)
#   stages      how fast records are made, by stage (1 minute)
#   training    4/256, pre-trained, evaluated and packed (6 minutes)
#
# PARTS='ratios tests' runs some of them. PYTHON names the interpreter. With
# DRY_RUN=1 the commands are printed only.
set -uo pipefail

if [[ $# -ne 2 ]]; then
  echo "usage: $0 DATA_DIR RESULTS_DIR" >&2
  exit 1
fi
data=$(realpath -m "$1")
results=$(realpath -m "$2")
cd "$(dirname "$0")/.."
mkdir -p "$results"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python}
vocab=$data/vocab/uncased_vocab.txt
wiki=$data/wiki/train-00.txt.gz
for path in "$vocab" "$wiki" "$data/glue/SST-2/train.tsv"; do
  if [[ ! -e $path ]]; then
    echo "ERROR: DATA_DIR=$1: expected $path" >&2
    exit 1
  fi
done

failed=()
part() {  # name, seconds, command
  [[ " ${PARTS:-ratios tests variants stages training} " == *" $1 "* ]] || return
  printf '== %s, at most %d s\n+ %s\n' "$1" "$2" "${*:3}"
  [[ -z ${DRY_RUN:-} ]] || return
  # SIGTERM lets a run save.
  timeout --kill-after=10 "$2" "${@:3}" 2>&1 | tee "$results/$1.log"
  local status=${PIPESTATUS[0]}
  ((status == 0)) || failed+=("$1 (status $status)")
}

bench=("$python" -m benchmarks.training --plan=gpu "--vocab_file=$vocab"
  "--wiki_file=$wiki" "--sst_2_dir=$data/glue/SST-2"
  --torch_unset=LD_LIBRARY_PATH,PYTHONPATH,XLA_FLAGS "--work_dir=$work/bench")

part ratios 490 "${bench[@]}" --peers=hugging_face \
  "--output_lines=$results/ratios.jsonl" "--output_json=$results/ratios.json"
part tests 190 env LIMIT=180 PROCESSES=6 "PYTHON=$python" \
  tests/on_gpu.sh "$results/tests"
part variants 100 "${bench[@]}" --peers= --jobs=pretraining:4/256 \
  --variants=jit_compile=false,dropout_rate=0,precision=float32 \
  --max_seconds=90 "--output_lines=$results/variants.jsonl" \
  "--output_json=$results/variants.json"
part stages 70 "$python" -m benchmarks.record_stages "--vocab_file=$vocab" \
  "--input_file=$data/wiki/train-0*.txt.gz" \
  "--output_json=$results/stages.json"
part training 360 "$python" -m recipes.pretrain_on_one_gpu \
  "--text_dir=$data/wiki" "--vocab_file=$vocab" "--work_dir=$results/training" \
  --sizes=4/256 --minutes=2

if ((${#failed[@]})); then
  echo "Not finished: ${failed[*]}" >&2
  exit 1
fi
