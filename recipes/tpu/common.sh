# What the recipes of this folder share. They set accelerator, runtime, topology
# and cores, and source this file; README.md tells what must be set outside.
: "${PROJECT:?the Google Cloud project}" "${ZONE:?where the TPU is to be}"
name=${TPU_NAME:-well-read-bert}
patience=${PATIENCE:-60}  # Seconds between two looks.
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

state() {
  tpus queued-resources describe "$name" --format='value(state.state)' \
    2> /dev/null || echo NONE
}

delete() {
  [ "$(state)" != NONE ] || return 0
  say 'Deletes the TPU'
  tpus queued-resources delete "$name" --force --quiet
}

create() {  # further flags, such as --spot; fails if there is no such machine
  say "Asks for $accelerator"
  tpus queued-resources create "$name" --node-id="$name" \
    --accelerator-type="$accelerator" --runtime-version="$runtime" "$@" ||
    exit 1
  until [ "$(state)" = ACTIVE ]; do
    case $(state) in
      FAILED | SUSPENDED | NONE) say "It is $(state)"; return 1 ;;
    esac
    sleep "$patience"
  done
}

is_running() {
  on_worker_0 'kill -0 "$(cat project/pid)" 2> /dev/null' 2> /dev/null
}

# Starts a job on worker 0, unless one is at work there already. (Where it is
# asked whether it failed, `set -e` has no effect inside.)
start() {  # environment, script, its flags
  local folder
  if is_running; then
    say 'A job is at work there already'
    return
  fi
  say 'Copies the project and installs it'
  folder=$(mktemp -d)
  git -C "$repository" archive --format=tar.gz -o "$folder/project.tar.gz" HEAD
  printf '%q ' .venv/bin/python "${@:2}" > "$folder/job.sh"
  tpus tpu-vm scp "$folder/project.tar.gz" "$folder/job.sh" "$name:" \
    --worker=0 || return 1
  rm -r "$folder"
  on_worker_0 'mkdir -p project && tar xzf project.tar.gz -C project &&
    mv job.sh project/ && bash project/recipes/tpu/install.sh' || return 1
  say "Starts ${*:2}"
  # Nothing may hold on to the connection, or it would last as long as the job.
  on_worker_0 "rm -f project/status
    (cd project && $1 setsid nohup bash -c 'bash job.sh; echo \$? > status') \
      > project/log 2>&1 < /dev/null &
    echo \$! > project/pid"
}

# Looks at the job from time to time: a connection that breaks ends nothing.
# Returns its status; 75 where the machine is gone, which is also how a script
# says that it can be started again.
wait_for_job() {
  local status
  while sleep "$patience"; do
    if status=$(on_worker_0 'cat project/status 2> /dev/null || echo running')
    then
      on_worker_0 'tail -n 2 project/log' || true
      [ "$status" = running ] || return "$status"
    elif [ "$(state)" != ACTIVE ]; then
      say 'The TPU was taken away'
      return 75
    fi
  done
}

# Ends a recipe: fetches the log, and deletes what costs money.
finish() {  # status
  tpus tpu-vm scp "$name:project/log" "$name.log" --worker=0 || true
  delete
  say "Ends with status $1; the log is $name.log"
  exit "$1"
}

# The whole of a recipe whose machine is not taken away.
run_once() {  # environment, script, its flags
  local status=0
  check_offline "${@:2}"
  if [ "$(state)" != ACTIVE ]; then
    delete
    create
  fi
  start "$@"
  wait_for_job || status=$?
  finish "$status"
}
