r"""Converts a Hugging Face BERT folder to a google-research/bert checkpoint.

  python -m tools.import_hugging_face \
    --input_dir=all-MiniLM-L6-v2 --output_dir=minilm

For a teacher or a warm start from the Hugging Face hub. The input folder holds
config.json, vocab.txt or tokenizer.json, and model.safetensors or
pytorch_model.bin, in one file or with an index. The tool writes
bert_config.json, vocab.txt and bert_model.ckpt; labels.txt if a labels.txt or
config.json names a classifier's classes; tokenizer_config.json with the casing,
if it is known, and a classifier's maximum input length; and, for an export of
this project, model.json with the maximum input length and the temperature.
"""

import itertools
import os

import numpy as np
from absl import flags

from cli import flag_group, script
from data.text import vocabulary
from modeling.checkpoints import (
  hugging_face_reader,
  location,
  tokenizer_files,
)
from modeling.checkpoints.file_names import CONFIG, PREFIX, VOCAB
from modeling.checkpoints.hugging_face_reader import CONFIG_FILE, WEIGHTS_FILES
from modeling.checkpoints.released_names import HEAD_BIAS, is_encoder
from modeling.configs import BertConfig
from serving import export_folder
from system import files, text_files
from system.errors import UserError, listed, shown
from tools import imported_folder
from tools.imported_folder import ImportedModel

FLAGS = flags.FLAGS

# A model with this many more ids than tokens, or even more, is not padded: the
# vocabulary belongs to another model.
_MAX_PADDING = 128


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_dir',
    None,
    f'The Hugging Face folder with {CONFIG_FILE}, {VOCAB} or '
    f'{tokenizer_files.WHOLE}, and {" or ".join(WEIGHTS_FILES)}.',
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    f'The folder to write {CONFIG}, {VOCAB}, '
    f'{PREFIX}, labels.txt, {tokenizer_files.CONFIG} and '
    'model.json to.',
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
    input_dir: the Hugging Face folder.
    output_dir: the folder to write to, created if missing.
    fresh_pooler: whether to initialise a missing pooler instead of raising.

  Returns:
    The lines of a report on what happened to each tensor.

  Raises:
    UserError: a file is missing or damaged, the model or its tokenizer is not
      BERT's, weights are missing, of the wrong shape or not finite, which the
      message names; or the output folder holds another checkpoint.
  """
  location.check_no_other(output_dir)
  config_file = _require(input_dir, CONFIG_FILE)
  vocab_file = _require(input_dir, VOCAB, tokenizer_files.WHOLE)
  weights_file = _require(input_dir, *WEIGHTS_FILES)
  casing = tokenizer_files.lower_case(input_dir)
  # As in transformers, text is lower-cased unless a file says otherwise.
  tokenizer_files.check(input_dir, casing is None or casing[1])
  config = hugging_face_reader.read_config(config_file)
  tokens, added, padding = _read_vocabulary(vocab_file, config)
  weights, unused = hugging_face_reader.read_weights(weights_file)
  fresh = _check_weights(weights, config, weights_file, fresh_pooler)
  longest = None
  if HEAD_BIAS in weights:
    longest = export_folder.longest_input(input_dir)
  model = ImportedModel(input_dir, weights, config, tokens, casing, longest)
  prefix, lines = imported_folder.write(model, output_dir)
  return [
    f'{weights_file} → {len(weights)} variables of {prefix}',
    *_activation(config.hidden_act),
    *imported_folder.heads(weights),
    *imported_folder.report_line('freshly initialised', fresh),
    *imported_folder.report_line('unused', unused),
    *_unused_head(input_dir),
    *imported_folder.report_line(
      f'added to {VOCAB} because the model has more ids', padding
    ),
    *imported_folder.report_line(f'added tokens, now in {VOCAB}', added),
    *imported_folder.report_line(
      'added tokens that no text has here', _unmatched(added, casing)
    ),
    *lines,
  ]


def main(_: list[str]) -> None:
  """Imports one folder and prints the report."""
  flag_group.require('input_dir', 'output_dir')
  lines = import_folder(FLAGS.input_dir, FLAGS.output_dir, FLAGS.fresh_pooler)
  print('\n'.join(lines))


def _unused_head(input_dir: str) -> list[str]:
  reason = hugging_face_reader.other_head(input_dir)
  return [f'the head is unused: {reason}'] if reason else []


def _activation(name: str) -> list[str]:
  note = ''
  if name == 'gelu_erf':
    note = ', which this project supports and google-research/bert does not'
  return [f'hidden_act: {name}{note}']


def _require(input_dir: str, *names: str) -> str:
  """Returns the path of the first of these files that exists."""
  for name in names:
    path = os.path.join(input_dir, name)
    if files.exists(path):
      return path
  if not files.is_folder(input_dir):
    raise UserError(f'--input_dir: there is no folder {input_dir!r}')
  raise UserError(
    f'--input_dir: there is no {" or ".join(names)} in {input_dir!r}, which'
    f' holds {listed(files.list_folder(input_dir)) or "nothing"}'
  )


def _read_vocabulary(
  path: str, config: BertConfig
) -> tuple[list[str], list[str], list[str]]:
  """Reads the tokens and names the ids that have none.

  Many models pad the number of ids to a multiple of 8, 64 or 128, for which
  devices compute fast. No text has the padding ids, but the scripts expect a
  token for each id. The returned names match no text, because the tokenizer
  splits off brackets.

  Returns:
    (tokens, added, padding): one token for each id; those of them that are
    added tokens; and those that name padding ids.

  Raises:
    UserError: there are more tokens than ids, or far fewer; an added token has
      the id of another token; or the tokens are not a BERT vocabulary, as
      for `vocabulary.from_lines`.
  """
  folder, name = os.path.split(path)
  if name == tokenizer_files.WHOLE:
    tokens = tokenizer_files.vocabulary(folder)
  else:
    tokens = text_files.read_list(path)
  added = _added_tokens(folder, tokens, config)
  num_missing = config.vocab_size - len(tokens) - len(added)
  if not 0 <= num_missing < _MAX_PADDING:
    raise UserError(
      f'{path} has {len(tokens) + len(added)} tokens, but the model has'
      f' {config.vocab_size}'
      f' (vocab_size in {CONFIG_FILE}): expected as many, or up to'
      f' {_MAX_PADDING - 1} fewer'
    )
  known = {*tokens, *added.values()}
  names = (f'[unused{i}]' for i in itertools.count())
  unknown = (name for name in names if name not in known)
  padding = list(itertools.islice(unknown, num_missing))
  fillers = iter(padding)
  beyond = range(len(tokens), config.vocab_size)
  tokens = tokens + [added.get(i) or next(fillers) for i in beyond]
  if odd := [token for token in tokens if '\n' in token or not token]:
    raise UserError(
      f'{folder}: the token {shown(odd[0])} is not a line of text'
    )
  vocabulary.from_lines(tokens, f'the vocabulary of {path}')  # Checks them.
  return tokens, list(added.values()), padding


def _added_tokens(
  folder: str, tokens: list[str], config: BertConfig
) -> dict[int, str]:
  """Returns id → token of the added tokens that follow the vocabulary.

  Raises:
    UserError: the id belongs to another token, or the model lacks it.
  """
  added = {}
  for number, token in sorted(tokenizer_files.added_tokens(folder).items()):
    if number < len(tokens):
      if tokens[number] != token:
        raise UserError(
          f'{folder}: the added token {shown(token)} has the id {number}, which'
          f' is {shown(tokens[number])} in the vocabulary'
        )
    elif number >= config.vocab_size or token in tokens:
      raise UserError(
        f'{folder}: the added token {shown(token)} has the id {number}, but the'
        f' vocabulary has it already or the model has only {config.vocab_size}'
        f' ids (vocab_size in {CONFIG_FILE})'
      )
    else:
      added[number] = token
  return added


def _unmatched(added: list[str], casing: tuple[str, bool] | None) -> list[str]:
  """Returns the added tokens that the tokenizer splits or lower-cases.

  transformers looks for added tokens before it splits a text.
  """
  is_lower = casing is None or casing[1]
  return [
    token
    for token in added
    if not token.removeprefix('##').isalnum()
    or (is_lower and token != token.lower())
  ]


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
  from modeling.checkpoints import stored_weights

  # Random weights take a while: only a fresh pooler needs them.
  seed = 0 if fresh_pooler else None
  expected = models.released_variables(models.PreTrainer(config, seed=seed))
  missing = [x for x in expected if x not in weights and is_encoder(x)]
  fresh = []
  if fresh_pooler:
    fresh = [name for name in missing if name.startswith('bert/pooler/')]
  if missing := [name for name in missing if name not in fresh]:
    raise UserError(
      f'{path} lacks the weights of {", ".join(missing)}'
      + _pooler_advice(missing)
    )
  weights |= {name: expected[name].numpy() for name in fresh}
  stored_weights.check_shapes(path, weights, expected, CONFIG_FILE)
  stored_weights.check_finite(path, weights)
  return fresh


def _pooler_advice(missing: list[str]) -> str:
  if all(name.startswith('bert/pooler/') for name in missing):
    return '; --fresh_pooler gives the model a random pooler'
  return ''


if __name__ == '__main__':
  define_flags()
  script.run(main)
