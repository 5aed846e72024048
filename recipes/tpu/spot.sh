#!/usr/bin/env bash
# Runs a job on one host, as one_host.sh does, on a spot machine: it costs less
# and may be preempted at any time. The recipe then requests another machine, and
# the job resumes from its last checkpoint on gs://.
#
#   PROJECT=... ZONE=us-west4-a recipes/tpu/spot.sh run_pretraining.py \
#     --do_train --save_checkpoints_steps=500 --output_dir=gs://BUCKET/run ...
set -euo pipefail
source "$(dirname "$0")/common.sh"

check_offline "$@"
status=75
while [ "$status" = 75 ]; do
  if [ "$(state)" != ACTIVE ]; then
    delete
    create --spot || continue
  fi
  if start '' "$@" --use_tpu --tpu_name=local "--num_tpu_cores=$cores"; then
    status=0
    wait_for_job || status=$?
  elif [ "$(state)" = ACTIVE ]; then  # Otherwise it has been preempted.
    status=1
  fi
done
finish "$status"
