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
state > /dev/null  # A wrong project ends the recipe here.
status=75
while [ "$status" = 75 ]; do
  if ! obtain --spot; then
    sleep "$patience"
    continue
  fi
  status=0
  run_job '' "$@" --use_tpu --tpu_name=local "--num_tpu_cores=$cores" ||
    status=$?
done
finish "$status"
