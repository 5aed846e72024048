#!/usr/bin/env bash
# Runs a job on a slice of several hosts: 32 chips of v5e on 4 or 8 hosts.
#
#   PROJECT=... ZONE=us-west4-a recipes/tpu/pod_slice.sh run_pretraining.py \
#     --do_train --precision=bfloat16 --train_batch_size=1024 \
#     --input_file=gs://BUCKET/records* --output_dir=gs://BUCKET/run ...
#
# One process on worker 0 drives all hosts and reads the records for them. The
# hosts write the checkpoints, so these must be on gs://. The runtime provides
# the hosts' server, whose TensorFlow must have the version that install.sh
# installs.
set -euo pipefail
ACCELERATOR=${ACCELERATOR:-v5litepod-32}
RUNTIME=${RUNTIME:-tpu-vm-tf-2.20.0-pod-pjrt}
TOPOLOGY=${TOPOLOGY:-v5e:4x8}
CORES=${CORES:-32}
source "$(dirname "$0")/common.sh"

# The servers own the chips, so this process must not load libtpu.
run_once TPU_LOAD_LIBRARY=0 "$@" --use_tpu "--tpu_name=$name" \
  "--tpu_zone=$ZONE" "--gcp_project=$PROJECT" "--num_tpu_cores=$cores"
