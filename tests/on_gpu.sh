#!/usr/bin/env bash
# Runs the tests that use the GPU, a few files at a time, and keeps their
# output:
#
#   tests/on_gpu.sh RESULTS_DIR [FILE ...]
#
# Slow tests run, too: compiled steps, replicas and float16 are among them.
# RESULTS_DIR gets a log and a JUnit file per test file, and summary.txt. A test
# that passed before the time was up counts. Environment variables:
#   PYTHON=python3  LIMIT=420 (seconds in all)  PROCESSES=4
#   TF_DETERMINISTIC_OPS=0 lets the GPU add in any order: it shows which tests
#   need the determinism that tests/conftest.py turns on
# Without a GPU the tests run on the CPU.
set -uo pipefail
cd "$(dirname "$0")/.."

if [[ $# -lt 1 ]]; then
  echo "usage: $0 RESULTS_DIR [FILE ...]" >&2
  exit 1
fi
mkdir -p "$1"
results=$(cd "$1" && pwd)
shift
python=${PYTHON:-python3}
end=$(($(date +%s) + ${LIMIT:-420}))
files=("$@")
if [[ $# -eq 0 ]]; then
  # The time may be up early, so what differs most on a GPU comes first.
  files=(
    tests/training/{fit,train_loop}_test.py
    tests/devices/{step_program,strategies}_test.py
    tests/modeling/precision_test.py
    tests/training/{trainer,optimization,compile_ahead,predictor}_test.py
    tests/modeling/{encoder,custom_gradients,models,dropout}_test.py
    tests/modeling/{layers,attention,transformer_block,embeddings,heads}_test.py
    tests/training/{losses,metrics,step_statistics,scoring,seeds}_test.py
    tests/training/{resuming,best_checkpoint}_test.py
    tests/distillation/distillation_loss_test.py
    tests/scripts/{run_pretraining,run_classifier,run_distillation}_test.py
  )
fi

run() {  # file
  local log name left
  name=${1%.py}
  log=$results/${name//\//.}.log
  left=$((end - $(date +%s)))
  if ((left < 5)); then
    echo "NOT RUN $1: the time is up" > "$log"
    return
  fi
  # addopts has -q, and -m 'not slow', which this -m replaces.
  timeout "$left" "$python" -m pytest -vv -m 'not long' --tb=short \
    --durations=5 --junitxml="${log%.log}.xml" "$1" > "$log" 2>&1
  local status=$?
  # 5: no tests were selected.
  ((status < 2 || status == 5)) || echo "ENDED $1: status $status" >> "$log"
}
export -f run
export results end python PYTHONUNBUFFERED=1

rm -f "$results"/*.log "$results"/*.xml
printf '%s\n' "${files[@]}" | xargs -P "${PROCESSES:-4}" -I{} bash -c 'run {}'

count() { cat "$results"/*.log | grep -cE "^[^ ]+::.* $1( |$)"; }
{
  echo "passed $(count PASSED), failed $(count FAILED)," \
    "errors $(count ERROR), skipped $(count SKIPPED)"
  grep -hE '^(FAILED|ERROR|NOT RUN|ENDED) ' "$results"/*.log
} | tee "$results/summary.txt"
! grep -qE '^(FAILED|ERROR|NOT RUN|ENDED) ' "$results/summary.txt"
