#!/usr/bin/env bash
# As one_host.sh, on a machine that costs less and may be taken away at any
# moment: then it asks for another one, and the job goes on from its last
# checkpoint on gs://.
#
#   PROJECT=... ZONE=us-west4-a recipes/tpu/spot.sh run_pretraining.py \
#     --do_train --save_checkpoints_steps=500 --output_dir=gs://BUCKET/run ...
set -euo pipefail
accelerator=${ACCELERATOR:-v5litepod-8}
runtime=${RUNTIME:-v2-alpha-tpuv5-lite}
topology=${TOPOLOGY:-v5e:2x4}
cores=${CORES:-8}
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
  elif [ "$(state)" = ACTIVE ]; then  # Else it was taken away meanwhile.
    status=1
  fi
done
finish "$status"
