#!/usr/bin/env bash
# Installs the project on a TPU VM (Ubuntu), into project/.venv. tensorflow-tpu
# must be installed last and separately: tf_keras depends on tensorflow, which
# would overwrite the files of tensorflow-tpu.
#
# libtpu 0.0.35 and later abort with tensorflow-tpu 2.20.0.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3.11}
command -v "$python" > /dev/null ||
  sudo apt-get install --yes --quiet python3.11 python3.11-venv
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip=(.venv/bin/python -m pip install --quiet)
"${pip[@]}" -c constraints.txt -e .
"${pip[@]}" --force-reinstall --no-deps tensorflow-tpu==2.20.0 libtpu==0.0.20
TPU_SKIP_MDS_QUERY=1 .venv/bin/python - << 'PYTHON'
import tensorflow as tf
import tensorflow_text  # Checks that it loads with this build.

print('TensorFlow', tf.__version__, 'for TPUs')
PYTHON
