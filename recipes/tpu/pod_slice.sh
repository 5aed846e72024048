#!/usr/bin/env bash
# A job on a slice of several hosts: 32 chips of v5e on 4 or 8 of them.
#
#   PROJECT=... ZONE=us-west4-a recipes/tpu/pod_slice.sh run_pretraining.py \
#     --do_train --precision=bfloat16 --train_batch_size=1024 \
#     --input_file=gs://BUCKET/records* --output_dir=gs://BUCKET/run ...
#
# One process, on worker 0, drives all hosts; each of them reads the records and
# writes the checkpoints itself, so those must be on gs://. The hosts' own
# server, and its TensorFlow, come with the runtime version: that must be of the
# version that install.sh installs.
set -euo pipefail
accelerator=${ACCELERATOR:-v5litepod-32}
runtime=${RUNTIME:-tpu-vm-tf-2.20.0-pod-pjrt}
topology=${TOPOLOGY:-v5e:4x8}
cores=${CORES:-32}
source "$(dirname "$0")/common.sh"

# The servers hold the chips: the process itself must not load libtpu.
run_once TPU_LOAD_LIBRARY=0 "$@" --use_tpu "--tpu_name=$name" \
  "--tpu_zone=$ZONE" "--gcp_project=$PROJECT" "--num_tpu_cores=$cores"
