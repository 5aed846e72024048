"""What the files of a Hugging Face folder say about its tokenizer.

tokenizer_config.json   the settings; it precedes tokenizer.json
tokenizer.json          settings, vocabulary and added tokens, in one file
added_tokens.json       tokens beyond vocab.txt

Tested by `tests/tools/import_hugging_face_test.py`.
"""

import os
from typing import Any

from system import files
from system.errors import UserError, shown

CONFIG = 'tokenizer_config.json'
WHOLE = 'tokenizer.json'
ADDED = 'added_tokens.json'

# The settings of tokenizer.json's normalizer, by their names in
# tokenizer_config.json.
_NORMALIZER_KEYS = {
  'do_lower_case': 'lowercase',
  'strip_accents': 'strip_accents',
  'tokenize_chinese_chars': 'handle_chinese_chars',
  'clean_text': 'clean_text',
}
# Part of tokenizer.json → its only type that splits text as released BERT does.
_TYPES = {
  'normalizer': 'BertNormalizer',
  'pre_tokenizer': 'BertPreTokenizer',
  'model': 'WordPiece',
}


def lower_case(folder: str) -> tuple[str, bool] | None:
  """Returns the path of the file that records the casing, and do_lower_case.

  Returns:
    None if no file records it.
  """
  for path, settings in _settings(folder).items():
    if isinstance(value := settings.get('do_lower_case'), bool):
      return path, value
  return None


def check(folder: str, do_lower_case: bool) -> None:
  """Checks that a folder's tokenizer splits text as released BERT's does.

  Args:
    folder: with or without files of a tokenizer.
    do_lower_case: whether text is lower-cased.

  Raises:
    UserError: it does not; the message names the file, the setting and its
      value.
  """
  expected = {
    # None means: if text is lower-cased.
    'strip_accents': do_lower_case,
    'tokenize_chinese_chars': True,
    'clean_text': True,
    'do_basic_tokenize': True,
    'word_tokenizer_type': 'basic',
    'subword_tokenizer_type': 'wordpiece',
  }
  found: dict[str, tuple[str, Any]] = {}
  for path, settings in _settings(folder).items():
    for key in expected.keys() & settings.keys():
      found.setdefault(key, (path, settings[key]))
  for key, (path, value) in sorted(found.items()):
    if value not in (expected[key], None):
      raise UserError(
        f'{path}: {key} is {shown(value)}, expected {expected[key]!r} (with'
        f' `do_lower_case`={do_lower_case}): the text would be split into other'
        ' tokens than those of the model'
      )
  _check_types(folder)


def vocabulary(folder: str) -> list[str]:
  """Returns the tokens of tokenizer.json, in the order of their ids.

  Raises:
    UserError: there is no vocabulary, or ids are missing.
  """
  path, values = _whole(folder)
  model = values.get('model')
  ids = model.get('vocab') if isinstance(model, dict) else None
  if not isinstance(ids, dict) or not ids:
    raise UserError(f'{path} has no vocabulary (model.vocab, token → id)')
  if {*ids.values()} != {*range(len(ids))}:
    raise UserError(
      f'{path}: the {len(ids)} tokens of its vocabulary have other ids than 0 '
      f'to {len(ids) - 1}'
    )
  return sorted(ids, key=ids.__getitem__)


def added_tokens(folder: str) -> dict[int, str]:
  """Returns id → token of all tokens that a folder names besides vocab.txt.

  They include special tokens that the vocabulary has, such as [CLS].

  Raises:
    UserError: a file is malformed, or two files disagree.
  """
  tokens: dict[int, str] = {}
  for path, pairs in _named_tokens(folder):
    for number, token in pairs:
      if not isinstance(token, str) or not str(number).isdecimal():
        raise UserError(
          f'{path}: the added token {shown(token)} has the id {shown(number)}'
        )
      if tokens.setdefault(int(number), token) != token:
        raise UserError(
          f'{path}: id {number} is the token {shown(token)}, which is '
          f'{shown(tokens[int(number)])} in another file of the folder'
        )
  return tokens


def _named_tokens(folder: str) -> list[tuple[str, list[tuple[Any, Any]]]]:
  """Returns each file's path, and the pairs of id and token in it."""
  added_path, added = _object(folder, ADDED)
  config_path, config = _object(folder, CONFIG)
  whole_path, whole = _whole(folder)
  decoder = config.get('added_tokens_decoder') or {}
  listed = whole.get('added_tokens') or []
  try:
    return [
      (added_path, [(number, token) for token, number in added.items()]),
      (config_path, [(i, token['content']) for i, token in decoder.items()]),
      (whole_path, [(token['id'], token['content']) for token in listed]),
    ]
  except (AttributeError, KeyError, TypeError) as error:
    raise UserError(
      f'{config_path} or {whole_path}: the added tokens are not in the form of '
      'transformers'
    ) from error


def _settings(folder: str) -> dict[str, dict[str, Any]]:
  """Maps the paths of the files to their settings, in order of precedence."""
  config_path, config = _object(folder, CONFIG)
  whole_path, whole = _whole(folder)
  normalizer = whole.get('normalizer')
  normalizer = normalizer if isinstance(normalizer, dict) else {}
  return {
    config_path: config,
    whole_path: {
      key: normalizer[theirs]
      for key, theirs in _NORMALIZER_KEYS.items()
      if theirs in normalizer
    },
  }


def _check_types(folder: str) -> None:
  path, whole = _whole(folder)
  for part, expected in _TYPES.items() if whole else ():
    values = whole.get(part)
    # Old files do not name the model's type.
    default = expected if part == 'model' else None
    found = values.get('type', default) if isinstance(values, dict) else None
    if found != expected:
      raise UserError(
        f"{path}: the tokenizer's {part} is {shown(found)}, expected {expected}"
      )


def _whole(folder: str) -> tuple[str, dict[str, Any]]:
  return _object(folder, WHOLE)


def _object(folder: str, name: str) -> tuple[str, dict[str, Any]]:
  """Returns a file's path and its JSON object; {} if there is no file."""
  path = os.path.join(folder, name)
  return path, files.read_object_if_there(path)
