"""The texts on which static quantization measures the ranges of activations.

They come from a given file, else from the logits dump that the run was
distilled on, else from the run's dev set.

Tested by `tests/serving/exports/calibration_texts_test.py`.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from distillation import dump_manifest, dump_shards
from modeling.checkpoints import run_files
from serving.exports import comparison_texts, reference
from serving.exports.dev_set import DevSet
from serving.exports.parts import Parts
from serving.padded_batches import FEATURES
from serving.text_model import Text
from system.errors import UserError

NUM_TEXTS = 256

Features = Mapping[str, np.ndarray]


def choose(
  parts: Parts, text_file: str | None, dev: DevSet
) -> tuple[str, Features]:
  """Returns what the texts are, for the report, and their ids.

  Args:
    parts: the model.
    text_file: one text per line; a pair's texts are separated by a tab. None
      for the run's dump, or else its dev set.
    dev: the run's dev set.

  Returns:
    The source; and int64 `input_ids`, `attention_mask` and `token_type_ids`,
    [N, S], of `NUM_TEXTS` texts, or of fewer if there are fewer.

  Raises:
    UserError: the file has no text, or a line is not one text, or not a pair.
  """
  if text_file:
    source, found = comparison_texts.choose(parts, text_file, None)
    if not found:
      raise UserError(f'{text_file} has no text to calibrate on')
    return source, _features(parts, found)
  run = run_files.read(run_files.of_checkpoint(parts.checkpoint.folder))
  used = run_files.recorded_dumps(run)
  command = run_files.recorded_command(run)
  given = run_files.flag_values(command[1] if command else ())
  for dump in given.get('logits_dir', '').split(','):
    if rows := _rows(parts, dump, used):
      return f'the logits dump {dump}', _padded(rows)
  return f'the dev set of {dev.task.name}', _features(parts, dev.texts)


def _features(parts: Parts, found: Sequence[Text]) -> Features:
  """Tokenizes texts that are spread over all."""
  step = -(-len(found) // NUM_TEXTS)
  features = reference.features_of(parts, found[::step])
  del features['positions']
  return features


def _rows(
  parts: Parts, dump: str, used: Sequence[Any]
) -> list[dump_shards.Row]:
  """Returns as many examples of each shard of a dump.

  There are none if the dump is not available, is none of those that the model
  was distilled on (`used`, fingerprints), or has another vocabulary.
  """
  if not dump or not dump_manifest.exists(dump):
    return []
  try:
    manifest, tokenizer = dump_manifest.read(dump), parts.tokenizer
  except UserError as error:
    logging.warning('Activations are not measured on the dump: %s', error)
    return []
  ours = tokenizer.vocab_checksum, tokenizer.do_lower_case
  is_own = dump_manifest.fingerprint(manifest) in used
  if not is_own or (manifest.vocabulary, manifest.do_lower_case) != ours:
    return []
  each = -(-NUM_TEXTS // len(manifest.shards))
  found = []
  for shard in manifest.shards:
    rows = dump_shards.read(os.path.join(dump, shard.name))
    fitting = (x for x in rows if len(x.input_ids) <= parts.max_seq_length)
    found.extend(itertools.islice(fitting, each))
  return found[:NUM_TEXTS]


def _padded(rows: Sequence[dump_shards.Row]) -> Features:
  shape = len(rows), max(len(row.input_ids) for row in rows)
  features = {name: np.zeros(shape, np.int64) for name in FEATURES}
  for i, row in enumerate(rows):
    length = len(row.input_ids)
    features['input_ids'][i, :length] = row.input_ids
    features['attention_mask'][i, :length] = 1
    features['token_type_ids'][i, :length] = row.segment_ids
  return features
