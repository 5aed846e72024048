r"""Converts a BERT of tf-models-official to a google-research/bert checkpoint.

  python -m tools.import_tf_models \
    --input_dir=trained --output_dir=imported --vocab_file=vocab.txt

For a teacher or a warm start from the TensorFlow Model Garden. The input folder
is one of its training runs (`model_dir`), one of its released models, or an
export of `tools.export_model --format=tf_models`: a TensorFlow 2 checkpoint of
an encoder, a classifier or a pre-trainer, with params.yaml or bert_config.json.
The tool writes bert_config.json, vocab.txt and bert_model.ckpt; labels.txt and
tokenizer_config.json if the labels and the casing are known; and, for an
export, model.json with the maximum input length and the temperature.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from absl import flags

from cli import flag_group, script
from data.text.vocabulary import load_vocabulary
from modeling.checkpoints import location, recorded_casing
from modeling.checkpoints.file_names import CONFIG, PREFIX, VOCAB
from modeling.checkpoints.released_names import HEAD_BIAS
from modeling.checkpoints.tf_models import PARAMS
from modeling.configs import BertConfig
from system import files, text_files
from system.errors import UserError
from tools import imported_folder
from tools.imported_folder import ImportedModel

if TYPE_CHECKING:
  import numpy as np

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_dir',
    None,
    f'The folder with the checkpoint of tf-models-official and {PARAMS} or '
    f'{CONFIG}; or the prefix of a checkpoint in it.',
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    f'The folder to write {CONFIG}, {VOCAB}, {PREFIX}, labels.txt, '
    f'{recorded_casing.FILE} and model.json to.',
  )
  flags.DEFINE_string(
    'vocab_file',
    None,
    f'The vocabulary of the model; by default {VOCAB} in the input folder.',
  )


def import_checkpoint(
  input_dir: str, output_dir: str, vocab_file: str | None = None
) -> list[str]:
  """Imports a BERT of tf-models-official.

  Reads and checks everything before it writes anything.

  Args:
    input_dir: its folder, or the prefix of a checkpoint in it.
    output_dir: the folder to write to, created if missing.
    vocab_file: the vocabulary; None for vocab.txt in the input folder.

  Returns:
    The lines of a report on what happened to each variable.

  Raises:
    UserError: a file is missing or damaged, the model or its vocabulary is not
      BERT's, weights are missing, of the wrong shape or not finite, which the
      message names; or the output folder holds another checkpoint or the
      imported one.
  """
  checkpoint = location.locate(input_dir)
  location.check_no_other(output_dir)
  # Released models have the name of the output.
  if files.real_path(checkpoint.folder) == files.real_path(output_dir):
    raise UserError(
      f'`output_dir`={output_dir} is the folder to import: give another folder'
    )
  from modeling.checkpoints import tf_models_reader

  config_file, config = tf_models_reader.read_config(checkpoint.folder)
  vocab_file = vocab_file or os.path.join(checkpoint.folder, VOCAB)
  _check_vocabulary(vocab_file, config, config_file)
  casing = checkpoint.casing()
  weights, pooler, unused = tf_models_reader.read_weights(
    checkpoint.prefix, config
  )
  _check_weights(checkpoint.prefix, weights, config, config_file)
  longest = None
  if HEAD_BIAS in weights:
    longest = tf_models_reader.longest_input(checkpoint.folder)
  tokens = text_files.read_lines(vocab_file)
  model = ImportedModel(
    checkpoint.folder, weights, config, tokens, casing, longest
  )
  prefix, lines = imported_folder.write(model, output_dir)
  return [
    f'{checkpoint.prefix} → {len(weights)} variables of {prefix}',
    f'the pooler is {pooler}',
    *imported_folder.heads(weights),
    *imported_folder.report_line('unused', unused),
    *lines,
  ]


def main(_: list[str]) -> None:
  """Imports one checkpoint and prints the report."""
  flag_group.require('input_dir', 'output_dir')
  lines = import_checkpoint(FLAGS.input_dir, FLAGS.output_dir, FLAGS.vocab_file)
  print('\n'.join(lines))


def _check_vocabulary(path: str, config: BertConfig, config_file: str) -> None:
  """Raises a `UserError` unless BERT can use it and each id has a token."""
  found = len(load_vocabulary(path).tokens)
  if found != config.vocab_size:
    raise UserError(
      f'{path} has {found} tokens, expected {config.vocab_size} (vocab_size in '
      f'{config_file})'
    )


def _check_weights(
  path: str,
  weights: 'Mapping[str, np.ndarray]',
  config: BertConfig,
  config_file: str,
) -> None:
  """Raises a `UserError` if weights have a wrong shape or are not finite."""
  from modeling import models
  from modeling.checkpoints import stored_weights

  expected = models.released_variables(models.PreTrainer(config, seed=None))
  stored_weights.check_shapes(path, weights, expected, config_file)
  stored_weights.check_finite(path, weights)


if __name__ == '__main__':
  define_flags()
  script.run(main)
