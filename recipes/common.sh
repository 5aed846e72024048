# Sourced by quickstart.sh and sst2.sh, which set $python and $results.

# Runs a command with --output_dir and records its result. The time is left out
# if the run was interrupted.
run_and_record() {  # method, seed, folder, command
  local start=$SECONDS is_new=1 time=()
  [ ! -e "$3" ] || is_new=
  "$python" "${@:4}" --output_dir="$3"
  [ -z "$is_new" ] || time=("--seconds=$((SECONDS - start))")
  "$python" -m tools.record_result --run_dir="$3" --results_dir="$results" \
    --keys="method=$1,seed=$2" "${time[@]}"
}
