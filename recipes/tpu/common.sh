# Settings and functions that the recipes in this folder share. README.md lists
# the environment variables. The defaults are for one host with eight chips of
# v5e.
: "${PROJECT:?the Google Cloud project}" "${ZONE:?the zone of the TPU}"
accelerator=${ACCELERATOR:-v5litepod-8}
runtime=${RUNTIME:-v2-alpha-tpuv5-lite}
topology=${TOPOLOGY:-v5e:2x4}
cores=${CORES:-8}
name=${TPU_NAME:-well-read-bert}
patience=${PATIENCE:-60}  # Seconds between two checks.
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '== %s (%s)\n' "$*" "$(date -u +%H:%M:%S)" >&2; }

tpus() { gcloud compute tpus "$@" --project="$PROJECT" --zone="$ZONE"; }

on_worker_0() { tpus tpu-vm ssh "$name" --worker=0 --command="$1"; }

check_offline() {  # script, its flags
  [ -n "${PREFLIGHT_PYTHON:-}" ] || return 0
  say "Does it fit $topology?"
  (cd "$repository" && "${PYTHON:-python}" -m tools.tpu_preflight \
    --topology="$topology" --preflight_python="$PREFLIGHT_PYTHON" \
    --search=false --script="$(basename "$1" .py)" "${@:2}")
}

# Prints the state of the request; NONE if there is no request. Fails, with
# gcloud's message, if gcloud cannot tell.
state() {
  local errors status=0
  errors=$(mktemp)
  tpus queued-resources describe "$name" --format='value(state.state)' \
    2> "$errors" || status=$?
  if [ "$status" != 0 ] && grep -q NOT_FOUND "$errors"; then
    echo NONE
    status=0
  elif [ "$status" != 0 ]; then
    cat "$errors" >&2
  fi
  rm "$errors"
  return "$status"
}

# Whether the machine is gone for certain: a broken connection does not say so.
is_gone() {
  local now
  now=$(state 2> /dev/null) && [ "$now" != ACTIVE ]
}

delete() {
  local now
  now=$(state) || return 1
  [ "$now" != NONE ] || return 0
  say 'Deleting the TPU'
  tpus queued-resources delete "$name" --force --quiet
}

# Makes sure that there is a machine; fails if none is available. A request that
# still waits, perhaps for hours, keeps its place.
obtain() {  # more flags of a new request, such as --spot
  local now
  now=$(state) || return 1
  case $now in
    ACTIVE) return ;;
    ACCEPTED | WAITING_FOR_RESOURCES | CREATING | PROVISIONING)
      say "There is a request already; it is $now" ;;
    *)
      delete || return 1
      say "Requesting $accelerator"
      tpus queued-resources create "$name" --node-id="$name" \
        --accelerator-type="$accelerator" --runtime-version="$runtime" "$@" ||
        exit 1 ;;
  esac
  while true; do
    now=$(state) || now=unknown
    case $now in
      ACTIVE) return ;;
      FAILED | SUSPENDED | NONE) say "The request is $now"; return 1 ;;
    esac
    sleep "$patience"
  done
}

# Prints whether a job runs on worker 0; fails if it cannot be reached.
job_state() {
  on_worker_0 'if kill -0 "$(cat project/pid)" 2> /dev/null
    then echo running; else echo none; fi'
}

# Starts a job on worker 0, unless one is already running there. Returns 75 if
# the machine is gone. (`set -e` has no effect inside a function whose status is
# tested, hence the returns.)
start() {  # environment, script, its flags
  local found tries=10
  until found=$(job_state); do
    ! is_gone || return 75
    [ $((tries--)) -gt 1 ] || return 1
    say 'Worker 0 does not answer; trying again'
    sleep "$patience"
  done
  if [ "$found" = running ]; then
    refuse_other_job "${@:2}" || return "$?"
    say 'The job is already running there'
    return
  fi
  install_and_start "$@" && return
  ! is_gone || return 75
  say 'The job did not start'
  return 1
}

# Ends the recipe if the running job is not the one that is wanted. The machine
# stays. Returns 75 if it is gone.
refuse_other_job() {  # script, its flags
  local running
  until running=$(on_worker_0 'cat project/job.sh 2> /dev/null || true'); do
    ! is_gone || return 75
    sleep "$patience"
  done
  [ "$running" != "$(job_words "$@")" ] || return 0
  say "Another job is running on $name: ${running:-an unknown one}
Wait for its end, delete the TPU, or choose another TPU_NAME"
  exit 1
}

job_words() { printf '%q ' .venv/bin/python "$@"; }  # script, its flags

install_and_start() {  # as start
  local folder
  say 'Copying and installing the project'
  folder=$(mktemp -d)
  git -C "$repository" archive --format=tar.gz -o "$folder/project.tar.gz" HEAD
  job_words "${@:2}" > "$folder/job.sh"
  tpus tpu-vm scp "$folder/project.tar.gz" "$folder/job.sh" "$name:" \
    --worker=0 || return 1
  rm -r "$folder"
  on_worker_0 'mkdir -p project && tar xzf project.tar.gz -C project &&
    mv job.sh project/ && bash project/recipes/tpu/install.sh' || return 1
  say "Starting ${*:2}"
  # The job must not keep the connection open.
  on_worker_0 "rm -f project/status
    (cd project && $1 setsid nohup bash -c 'bash job.sh; echo \$? > status.new; mv status.new status') \
      > project/log 2>&1 < /dev/null &
    echo \$! > project/pid"
}

# Prints the status of the job on worker 0, or running, or killed; fails if the
# worker cannot be reached. A job that ends writes its status first.
job_status() {
  on_worker_0 'cat project/status 2> /dev/null ||
    { kill -0 "$(cat project/pid)" && echo running; } 2> /dev/null ||
    cat project/status 2> /dev/null || echo killed'
}

# Polls the job until it ends; a broken connection does not matter. Returns the
# job's status, or 75 if the machine is gone or has killed the job, as it does
# when it reboots. 75 is also the status of a script that can be started again.
wait_for_job() {
  local status
  while sleep "$patience"; do
    if status=$(job_status); then
      on_worker_0 'tail -n 2 project/log' || true
      case $status in
        running) ;;
        killed) say 'The job was killed; did the machine reboot?'; return 75 ;;
        *) return "$status" ;;
      esac
    elif is_gone; then
      say 'The TPU was preempted'
      return 75
    fi
  done
}

# Starts a job and waits for its end; returns its status, or as `wait_for_job`.
run_job() {  # environment, script, its flags
  start "$@" || return "$?"
  wait_for_job
}

# Ends a recipe: downloads the log and deletes the TPU, which costs money.
finish() {  # status
  tpus tpu-vm scp "$name:project/log" "$name.log" --worker=0 || true
  delete ||
    say "The TPU could not be deleted. It may cost money: run this command
again, or run: gcloud compute tpus queued-resources delete $name --force"
  say "The job ended with status $1; its log is $name.log"
  exit "$1"
}

# The whole recipe for a machine that is not preempted.
run_once() {  # environment, script, its flags
  local status=0
  check_offline "${@:2}"
  obtain
  run_job "$@" || status=$?
  finish "$status"
}
