"""Weights → a released-BERT checkpoint.

Weights alone, float32, under the names of google-research/bert: what loads
Google's zip files loads ours.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from modeling.checkpoints import tensor_bundle
from modeling.checkpoints.location import STATE_FILE
from system import files, temporary_files, text_files

Variables = Mapping[str, tf.Variable | np.ndarray]

# google-research/bert's Estimator keeps as many (keep_checkpoint_max).
KEEP_CHECKPOINTS = 5

_BESIDE = ('bert_config.json', 'vocab.txt')
_EXPORTED = re.compile(r'model\.ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})$')


def write_released(prefix: str, variables: Variables) -> None:
  """Writes a weights-only checkpoint, as `tf.train.Saver` would have.

  Args:
    prefix: where to; `.index` and `.data-00000-of-00001` are appended.
    variables: released name → variable or array; stored as float32. Of a
      mirrored variable its primary value is stored.

  Raises:
    UserError: the files cannot be written; what stood there stays.
  """
  tensor_bundle.write(
    prefix, {name: _float32(value) for name, value in variables.items()}
  )


def export(
  output_dir: str,
  step: int,
  variables: Variables,
  config: Any,
  vocab_file: str | None = None,
  keep: int | None = KEEP_CHECKPOINTS,
) -> str:
  """Makes `output_dir` a folder that released BERT's users know.

  It then holds `model.ckpt-<step>`, `bert_config.json`, `vocab.txt` and the
  `checkpoint` file that names the latest.

  Args:
    output_dir: an existing folder.
    step: training steps done; goes into the checkpoint's name.
    variables: released name → variable.
    config: a `BertConfig`.
    vocab_file: copied to `vocab.txt`, as plain text, where given.
    keep: how many checkpoints stay, the latest ones; 0 or None keeps all.

  Returns:
    The checkpoint's prefix.

  Raises:
    UserError: a file cannot be written.
  """
  prefix = os.path.join(output_dir, f'model.ckpt-{step}')
  write_released(prefix, variables)
  config.to_json_file(os.path.join(output_dir, 'bert_config.json'))
  if vocab_file:
    text_files.copy(vocab_file, os.path.join(output_dir, 'vocab.txt'))
  # Later steps are left from a run that was set back; they are not its past.
  by_step = {s: n for s, n in _exported(output_dir).items() if s <= step}
  kept = sorted(by_step)[-keep if keep else 0 :]
  paths = [
    f'model.ckpt-{s}' for s in kept if f'model.ckpt-{s}.index' in by_step[s]
  ]
  lines = [f'model_checkpoint_path: "model.ckpt-{step}"']
  lines += [f'all_model_checkpoint_paths: "{path}"' for path in paths]
  files.write_text(
    os.path.join(output_dir, STATE_FILE), '\n'.join(lines) + '\n'
  )
  for old in set(by_step) - set(kept):
    # The index sorts last but goes first: never an index without its data.
    for name in sorted(by_step[old], reverse=True):
      files.remove(os.path.join(output_dir, name))
  # As large as a model, each; a run has its folder alone.
  temporary_files.remove_abandoned(
    output_dir, r'model\.ckpt-\d+', is_alone=True
  )
  return prefix


def discard(folder: str) -> None:
  """Removes what `export` has written to a folder, and nothing else."""
  # The file that declares a checkpoint comes before the checkpoint.
  for name in [STATE_FILE, *_BESIDE, *sum(_exported(folder).values(), [])]:
    path = os.path.join(folder, name)
    if files.exists(path):
      files.remove(path)
  temporary_files.remove_abandoned(folder, is_alone=True)


def _exported(folder: str) -> dict[int, list[str]]:
  """Maps each exported step to the sorted names of its files."""
  by_step: dict[int, list[str]] = {}
  for name in files.list_folder(folder):
    if match := _EXPORTED.match(name):
      by_step.setdefault(int(match[1]), []).append(name)
  return by_step


def _float32(value) -> np.ndarray:
  return np.asarray(
    value.numpy() if hasattr(value, 'numpy') else value, np.float32
  )
