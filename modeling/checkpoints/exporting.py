"""Writes a model's weights as a checkpoint in released BERT's format.

The checkpoint holds only weights, in float32, under google-research/bert's
names. Programs that load the checkpoints in Google's zip files can load it.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from modeling.checkpoints import file_names, model_file, tensor_bundle
from modeling.checkpoints.file_names import CONFIG, INDEX, PREFIX, VOCAB
from modeling.checkpoints.location import STATE_FILE
from modeling.checkpoints.model_file import ModelFile
from modeling.configs import BertConfig
from system import files, temporary_files

Variables = Mapping[str, tf.Variable | np.ndarray]

# The default of keep_checkpoint_max in google-research/bert's Estimator.
_KEEP_CHECKPOINTS = 5

_DESCRIPTIONS = (CONFIG, VOCAB, model_file.FILE)
_EXPORTED = re.compile(r'model\.ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})$')


def write_released(prefix: str, variables: Variables) -> None:
  """Writes a weights-only checkpoint: the bytes that `tf.train.Saver` writes.

  Args:
    prefix: the checkpoint's files are `prefix`.index and
      `prefix`.data-00000-of-00001.
    variables: released name → variable or array; stored as float32. The
      primary value of a mirrored variable is stored.

  Raises:
    UserError: the files cannot be written; existing files are unchanged.
  """
  tensor_bundle.write(
    prefix, {name: _float32(value) for name, value in variables.items()}
  )


def write_folder(
  folder: str,
  weights: Variables,
  config: BertConfig,
  vocabulary: Iterable[str],
) -> str:
  """Writes a folder like Google's: checkpoint, configuration, vocabulary.

  Args:
    folder: an existing folder.
    weights: as for `write_released`.
    config: the model's.
    vocabulary: the lines of `vocab.txt`.

  Returns:
    The checkpoint's prefix.

  Raises:
    UserError: a file cannot be written.
  """
  _describe(folder, config, vocabulary)
  prefix = os.path.join(folder, PREFIX)
  # Last, so that a folder with a checkpoint is complete.
  write_released(prefix, weights)
  return prefix


def _describe(
  folder: str, config: BertConfig, vocabulary: Iterable[str] | None
) -> None:
  config.to_json_file(os.path.join(folder, CONFIG))
  if vocabulary is not None:
    lines = ''.join(f'{line}\n' for line in vocabulary)
    files.write_text(os.path.join(folder, VOCAB), lines)


def export(
  output_dir: str,
  step: int,
  variables: Variables,
  config: BertConfig,
  vocabulary: Sequence[str] | None = None,
  keep: int | None = _KEEP_CHECKPOINTS,
  content: ModelFile = model_file.UNKNOWN,
) -> str:
  """Writes a checkpoint and its descriptions; removes old checkpoints.

  The folder then holds `model.ckpt-<step>`, `bert_config.json`, `vocab.txt`,
  `model.json` and the `checkpoint` file, which names the latest checkpoint.

  Args:
    output_dir: an existing folder.
    step: the number of training steps done.
    variables: released name → variable.
    config: the model's.
    vocabulary: the lines of `vocab.txt`; None for no such file.
    keep: the number of checkpoints to keep, the latest ones; 0 or None keeps
      all.
    content: of `model.json`, which gets the checksums of the other files.

  Returns:
    The checkpoint's prefix.

  Raises:
    UserError: a file cannot be written.
  """
  prefix = os.path.join(output_dir, file_names.of_step(step))
  write_released(prefix, variables)
  _describe(output_dir, config, vocabulary)
  # Later steps remain from before the run was set back to an earlier step.
  by_step = {s: n for s, n in _exported(output_dir).items() if s <= step}
  kept = sorted(by_step)[-keep if keep else 0 :]
  paths = [
    file_names.of_step(s)
    for s in kept
    if file_names.of_step(s) + INDEX in by_step[s]
  ]
  model_file.write(
    output_dir,
    content,
    [*_DESCRIPTIONS[:2], *by_step[step]],
    kept=[name for s in kept for name in by_step[s]],
  )
  lines = [f'model_checkpoint_path: "{file_names.of_step(step)}"']
  lines += [f'all_model_checkpoint_paths: "{path}"' for path in paths]
  files.write_text(
    os.path.join(output_dir, STATE_FILE), '\n'.join(lines) + '\n'
  )
  for old in set(by_step) - set(kept):
    # The index sorts last and is removed first: never an index without data.
    for name in sorted(by_step[old], reverse=True):
      files.remove(os.path.join(output_dir, name))
  # Each abandoned file is as large as a model. Only one run uses the folder.
  temporary_files.remove_abandoned(
    output_dir, r'model\.ckpt-\d+', is_alone=True
  )
  return prefix


def discard(folder: str, *descriptions: str) -> None:
  """Removes the files that `export` wrote to a folder, and no others.

  Args:
    folder: an existing folder.
    *descriptions: names of further files that describe the checkpoint.
  """
  # The `checkpoint` file goes first: it never names a missing checkpoint.
  exported = sum(_exported(folder).values(), [])
  for name in [STATE_FILE, *_DESCRIPTIONS, *descriptions, *exported]:
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


def _float32(value: tf.Variable | np.ndarray) -> np.ndarray:
  return np.asarray(
    value.numpy() if hasattr(value, 'numpy') else value, np.float32
  )
