r"""Turns a Hugging Face BERT folder into a released-BERT checkpoint.

  python -m tools.import_hugging_face \
    --input_dir=all-MiniLM-L6-v2 --output_dir=minilm

The input folder holds config.json, vocab.txt and model.safetensors. The output
folder then holds bert_config.json, vocab.txt and bert_model.ckpt.
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
# More ids than tokens by as many are of another vocabulary, not padding.
_MAX_PADDING = 128


def define_flags() -> None:
  """Defines the flags of this script."""
  flags.DEFINE_string(
    'input_dir',
    None,
    f'The Hugging Face folder, with {_CONFIG}, {_VOCAB} and {_WEIGHTS}.',
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    f'The folder to make, with bert_config.json, {_VOCAB} and bert_model.ckpt.',
  )
  flags.DEFINE_bool(
    'fresh_pooler',
    False,
    'Whether a model without a pooler gets one with random weights. Without '
    'this flag such a model is refused.',
  )


def import_folder(
  input_dir: str, output_dir: str, fresh_pooler: bool = False
) -> list[str]:
  """Imports a Hugging Face BERT model.

  Everything is read and checked before anything is written.

  Args:
    input_dir: holds config.json, vocab.txt and model.safetensors.
    output_dir: made where there is none.
    fresh_pooler: whether a missing pooler is initialised instead of refused.

  Returns:
    A report, line by line: what became of each tensor.

  Raises:
    UserError: a file is missing or damaged, the model is no BERT, or weights
      are missing or of the wrong shape; they are named.
  """
  paths = [_require(input_dir, name) for name in (_CONFIG, _VOCAB, _WEIGHTS)]
  config_file, vocab_file, weights_file = paths
  config = hugging_face.read_config(config_file)
  tokens, padding = _vocabulary(vocab_file, config)
  weights, unused = hugging_face.read_weights(weights_file)
  fresh = _complete(weights, config, weights_file, fresh_pooler)
  _write(output_dir, weights, config, tokens + padding)
  return [
    f'{weights_file} → {len(weights)} variables of'
    f' {output_dir}/bert_model.ckpt',
    *_activation(config.hidden_act),
    *_named('heads', sorted(n for n in weights if not n.startswith('bert/'))),
    *_named('freshly initialised', fresh),
    *_named('unused', unused),
    *_named(f'added to {_VOCAB}, where the model has more ids', padding),
    *_casing(input_dir),
  ]


def _activation(name: str) -> list[str]:
  ours = name == 'gelu_erf'
  note = ', which this project knows and google-research/bert does not'
  return [f'hidden_act: {name}{note if ours else ""}']


def _require(input_dir: str, name: str) -> str:
  path = os.path.join(input_dir, name)
  if files.exists(path):
    return path
  if not files.is_folder(input_dir):
    raise UserError(f'--input_dir: there is no folder {input_dir!r}')
  raise UserError(
    f'--input_dir: there is no {name} in {input_dir!r}, which holds'
    f' {", ".join(files.list_folder(input_dir)) or "nothing"}; expected are'
    f' {_CONFIG}, {_VOCAB} and {_WEIGHTS}'
  )


def _vocabulary(path: str, config: BertConfig) -> tuple[list[str], list[str]]:
  """Reads the tokens, and names those that the model has beyond them.

  Many models have more ids than tokens, up to a multiple of 8, 64 or 128 at
  which a device computes fast; no text has these ids. All scripts want a token
  for each. A text matches none of the names: brackets are words by themselves.

  Raises:
    UserError: there are more tokens than ids, or far fewer.
  """
  from data.text import tokenization

  tokens = tokenization.read_vocabulary_lines(path)
  num_missing = config.vocab_size - len(tokens)
  if not 0 <= num_missing < _MAX_PADDING:
    raise UserError(
      f'{path} has {len(tokens)} tokens, but the model has {config.vocab_size}'
      f' (vocab_size in {_CONFIG}): expected as many, or fewer by less than'
      f' {_MAX_PADDING}'
    )
  taken = set(tokens)
  names = (f'[unused{i}]' for i in itertools.count())
  free = (name for name in names if name not in taken)
  return tokens, list(itertools.islice(free, num_missing))


def _complete(
  weights: dict[str, np.ndarray],
  config: BertConfig,
  path: str,
  fresh_pooler: bool,
) -> list[str]:
  """Checks the weights against the model, and adds a fresh pooler if allowed.

  Returns:
    The names of what was added.
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
      + _advice_on_pooler(missing)
    )
  weights |= {name: expected[name].numpy() for name in fresh}
  _check_shapes(weights, expected, path)
  return fresh


def _advice_on_pooler(missing: list[str]) -> str:
  if all(name.startswith('bert/pooler/') for name in missing):
    return '; --fresh_pooler gives the model a random pooler'
  return ''


def _check_shapes(
  weights: Mapping[str, np.ndarray], expected: Mapping, path: str
) -> None:
  """Raises a `UserError` that names each weight of the wrong shape.

  A classifier's head is in `weights` alone: any number of classes will do.
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
  # Last: with the checkpoint in place the folder is whole.
  exporting.write_released(os.path.join(output_dir, 'bert_model.ckpt'), weights)


def _named(title: str, names: list[str]) -> list[str]:
  return [f'{title} ({len(names)}): {", ".join(names)}'] if names else []


def _casing(input_dir: str) -> list[str]:
  """Says which --do_lower_case the vocabulary wants, where that is known."""
  path = os.path.join(input_dir, 'tokenizer_config.json')
  if not files.exists(path):
    return []
  lower_case = files.read_json(path).get('do_lower_case')
  return [] if lower_case is None else [f'use --do_lower_case={lower_case}']


def main(_) -> None:
  """Imports one folder and prints what became of its tensors."""
  flag_group.require('input_dir', 'output_dir')
  lines = import_folder(FLAGS.input_dir, FLAGS.output_dir, FLAGS.fresh_pooler)
  print('\n'.join(lines))


if __name__ == '__main__':
  define_flags()
  script.run(main)
