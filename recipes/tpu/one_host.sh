#!/usr/bin/env bash
# Runs a job on one host with eight chips of v5e.
#
#   PROJECT=... ZONE=us-west4-a recipes/tpu/one_host.sh run_pretraining.py \
#     --do_train --precision=bfloat16 --output_dir=gs://BUCKET/run ...
#
# An interrupted recipe resumes when its command is run again.
set -euo pipefail
source "$(dirname "$0")/common.sh"

run_once '' "$@" --use_tpu --tpu_name=local "--num_tpu_cores=$cores"
