r"""Converts a Hugging Face BERT folder to a google-research/bert checkpoint.

  python -m tools.import_hugging_face \
    --input_dir=all-MiniLM-L6-v2 --output_dir=minilm

For a teacher or a warm start from the Hugging Face hub. The input folder holds
config.json, vocab.txt and model.safetensors. The tool writes bert_config.json,
vocab.txt and bert_model.ckpt.
"""

import itertools
import os
from collections.abc import Mapping

import numpy as np
from absl import flags

from cli import flag_group, script
from modeling.checkpoints import hugging_face
from modeling.configs import BertConfig
from system import files
from system.errors import UserError

FLAGS = flags.FLAGS

_CONFIG = hugging_face.CONFIG_FILE
_VOCAB = 'vocab.txt'
_WEIGHTS = hugging_face.WEIGHTS_FILE
# A model with this many more ids than tokens, or even more, is not padded: the
# vocabulary belongs to another model.
_MAX_PADDING = 128


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_dir',
    None,
    f'The Hugging Face folder with {_CONFIG}, {_VOCAB} and {_WEIGHTS}.',
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    f'The folder to write bert_config.json, {_VOCAB} and bert_model.ckpt to.',
  )
  flags.DEFINE_bool(
    'fresh_pooler',
    False,
    'Whether to give a model without a pooler one with random weights, instead '
    'of an error.',
  )


def import_folder(
  input_dir: str, output_dir: str, fresh_pooler: bool = False
) -> list[str]:
  """Imports a Hugging Face BERT model.

  Reads and checks everything before it writes anything.

  Args:
    input_dir: the folder with config.json, vocab.txt and model.safetensors.
    output_dir: the folder to write to, created if missing.
    fresh_pooler: whether to initialise a missing pooler instead of raising.

  Returns:
    The lines of a report on what happened to each tensor.

  Raises:
    UserError: a file is missing or damaged, the model is not a BERT, or weights
      are missing or of the wrong shape; the message names them.
  """
  paths = [_require(input_dir, name) for name in (_CONFIG, _VOCAB, _WEIGHTS)]
  config_file, vocab_file, weights_file = paths
  config = hugging_face.read_config(config_file)
  tokens, padding = _read_vocabulary(vocab_file, config)
  weights, unused = hugging_face.read_weights(weights_file)
  fresh = _check_weights(weights, config, weights_file, fresh_pooler)
  _write(output_dir, weights, config, tokens + padding)
  return [
    f'{weights_file} → {len(weights)} variables of'
    f' {output_dir}/bert_model.ckpt',
    *_activation(config.hidden_act),
    *_listed('heads', sorted(n for n in weights if not n.startswith('bert/'))),
    *_listed('freshly initialised', fresh),
    *_listed('unused', unused),
    *_listed(f'added to {_VOCAB} because the model has more ids', padding),
    *_casing(input_dir),
  ]


def main(_: list[str]) -> None:
  """Imports one folder and prints the report."""
  flag_group.require('input_dir', 'output_dir')
  lines = import_folder(FLAGS.input_dir, FLAGS.output_dir, FLAGS.fresh_pooler)
  print('\n'.join(lines))


def _activation(name: str) -> list[str]:
  note = ''
  if name == 'gelu_erf':
    note = ', which this project supports and google-research/bert does not'
  return [f'hidden_act: {name}{note}']


def _require(input_dir: str, name: str) -> str:
  path = os.path.join(input_dir, name)
  if files.exists(path):
    return path
  if not files.is_folder(input_dir):
    raise UserError(f'--input_dir: there is no folder {input_dir!r}')
  raise UserError(
    f'--input_dir: there is no {name} in {input_dir!r}, which holds'
    f' {", ".join(files.list_folder(input_dir)) or "nothing"}; expected'
    f' {_CONFIG}, {_VOCAB} and {_WEIGHTS}'
  )


def _read_vocabulary(
  path: str, config: BertConfig
) -> tuple[list[str], list[str]]:
  """Reads the tokens and names the model's padding ids.

  Many models pad the number of ids to a multiple of 8, 64 or 128, for which
  devices compute fast. No text has the padding ids, but the scripts expect a
  token for each id. The returned names match no text, because the tokenizer
  splits off brackets.

  Returns:
    (tokens, padding): together one token for each id.

  Raises:
    UserError: there are more tokens than ids, or far fewer.
  """
  from data.text import tokenization

  tokens = tokenization.read_vocabulary_lines(path)
  num_missing = config.vocab_size - len(tokens)
  if not 0 <= num_missing < _MAX_PADDING:
    raise UserError(
      f'{path} has {len(tokens)} tokens, but the model has {config.vocab_size}'
      f' (vocab_size in {_CONFIG}): expected as many, or up to'
      f' {_MAX_PADDING - 1} fewer'
    )
  known = set(tokens)
  names = (f'[unused{i}]' for i in itertools.count())
  unknown = (name for name in names if name not in known)
  return tokens, list(itertools.islice(unknown, num_missing))


def _check_weights(
  weights: dict[str, np.ndarray],
  config: BertConfig,
  path: str,
  fresh_pooler: bool,
) -> list[str]:
  """Checks the weights against the model; adds a random pooler if allowed.

  Returns:
    The names of the added variables.

  Raises:
    UserError: variables are missing or of the wrong shape.
  """
  from modeling import models

  expected = models.released_variables(models.PreTrainer(config))
  missing = [
    name
    for name in expected
    if name not in weights and name.startswith('bert/')
  ]
  fresh = []
  if fresh_pooler:
    fresh = [name for name in missing if name.startswith('bert/pooler/')]
  if missing := [name for name in missing if name not in fresh]:
    raise UserError(
      f'{path} lacks the weights of {", ".join(missing)}'
      + _pooler_advice(missing)
    )
  weights |= {name: expected[name].numpy() for name in fresh}
  _check_shapes(weights, expected, path)
  return fresh


def _pooler_advice(missing: list[str]) -> str:
  if all(name.startswith('bert/pooler/') for name in missing):
    return '; --fresh_pooler gives the model a random pooler'
  return ''


def _check_shapes(
  weights: Mapping[str, np.ndarray], expected: Mapping, path: str
) -> None:
  """Raises a `UserError` that names each weight of the wrong shape.

  Does not check a classifier's head, which may have any number of classes.
  """
  wrong = [
    f'{name} has the shape {list(value.shape)} instead of'
    f' {list(expected[name].shape)}'
    for name, value in weights.items()
    if name in expected and value.shape != tuple(expected[name].shape)
  ]
  if wrong:
    raise UserError(f'{path} does not fit {_CONFIG}: {"; ".join(wrong)}')


def _write(
  output_dir: str,
  weights: Mapping[str, np.ndarray],
  config: BertConfig,
  tokens: list[str],
) -> None:
  from modeling.checkpoints import exporting

  files.make_folder(output_dir)
  config.to_json_file(os.path.join(output_dir, 'bert_config.json'))
  files.write_text(
    os.path.join(output_dir, _VOCAB), ''.join(f'{x}\n' for x in tokens)
  )
  # Last, so that a folder with a checkpoint is complete.
  exporting.write_released(os.path.join(output_dir, 'bert_model.ckpt'), weights)


def _listed(title: str, names: list[str]) -> list[str]:
  return [f'{title} ({len(names)}): {", ".join(names)}'] if names else []


def _casing(input_dir: str) -> list[str]:
  """Returns a line with the vocabulary's --do_lower_case; none if unknown."""
  path = os.path.join(input_dir, 'tokenizer_config.json')
  if not files.exists(path):
    return []
  lower_case = files.read_json(path).get('do_lower_case')
  return [] if lower_case is None else [f'use --do_lower_case={lower_case}']


if __name__ == '__main__':
  define_flags()
  script.run(main)
