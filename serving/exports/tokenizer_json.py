"""Our tokenizer in the files of transformers and tokenizers.

vocab.txt               the vocabulary, as it is
tokenizer.json          the whole tokenizer, as Rust's `tokenizers` reads it
tokenizer_config.json   its settings, as transformers reads them
special_tokens_map.json the special tokens

They are written with only `json`. docs/export.md lists where the library's
tokens differ from released BERT's.
"""

import os
from typing import Any

from data.text.tokenization import BertTokenizer
from data.text.vocabulary import (
  CLS,
  CONTINUATION,
  MAX_CHARS_PER_WORD,
  SEP,
  SPECIAL,
  UNK,
)
from system import files, text_files


def write(
  folder: str,
  tokenizer: BertTokenizer,
  vocab_file: str,
  max_seq_length: int,
) -> None:
  """Writes the files of a tokenizer into an existing folder.

  Args:
    folder: the folder.
    tokenizer: the tokenizer.
    vocab_file: its vocabulary, which is copied.
    max_seq_length: the maximum input length in tokens; longer texts are cut.
  """
  text_files.copy(vocab_file, os.path.join(folder, 'vocab.txt'))
  _write_json(folder, 'tokenizer.json', _whole(tokenizer, max_seq_length))
  _write_json(
    folder, 'tokenizer_config.json', _settings(tokenizer, max_seq_length)
  )
  _write_json(folder, 'special_tokens_map.json', _named())


def _write_json(folder: str, name: str, values: dict[str, Any]) -> None:
  files.write_json(os.path.join(folder, name), values)


def _named() -> dict[str, str]:
  names = ('pad_token', 'unk_token', 'cls_token', 'sep_token', 'mask_token')
  return dict(zip(names, SPECIAL, strict=True))


def _settings(tokenizer: BertTokenizer, max_seq_length: int) -> dict[str, Any]:
  # Only `added_tokens_decoder` tells older versions the ids.
  decoder = {str(token.pop('id')): token for token in _added(tokenizer)}
  return {
    **_named(),
    'tokenizer_class': 'BertTokenizer',
    'do_lower_case': tokenizer.do_lower_case,
    'do_basic_tokenize': True,
    'tokenize_chinese_chars': True,
    'strip_accents': None,
    'clean_up_tokenization_spaces': False,
    'model_max_length': max_seq_length,
    'added_tokens_decoder': decoder,
  }


def _added(tokenizer: BertTokenizer) -> list[dict[str, Any]]:
  """Returns the special tokens in the form of tokenizer.json."""
  ids = _ids(tokenizer)
  return [
    {
      'id': ids[token],
      'content': token,
      'single_word': False,
      'lstrip': False,
      'rstrip': False,
      'normalized': False,
      'special': True,
    }
    for token in sorted(SPECIAL, key=ids.get)
  ]


def _ids(tokenizer: BertTokenizer) -> dict[str, int]:
  """Maps tokens to ids.

  A blank token, or the first of two equal ones, matches no text; its name here
  matches none, either, because white space separates words.
  """
  last = {token: i for i, token in enumerate(tokenizer.tokens)}
  return {
    token if token and last[token] == i else f'[no token {i}]': i
    for i, token in enumerate(tokenizer.tokens)
  }


def _whole(tokenizer: BertTokenizer, max_seq_length: int) -> dict[str, Any]:
  return {
    'version': '1.0',
    'truncation': {
      'direction': 'Right',
      'max_length': max_seq_length,
      'strategy': 'LongestFirst',
      'stride': 0,
    },
    'padding': None,
    'added_tokens': _added(tokenizer),
    'normalizer': {
      'type': 'BertNormalizer',
      'clean_text': True,
      'handle_chinese_chars': True,
      'strip_accents': None,
      'lowercase': tokenizer.do_lower_case,
    },
    'pre_tokenizer': {'type': 'BertPreTokenizer'},
    'post_processor': _template(tokenizer),
    'decoder': {'type': 'WordPiece', 'prefix': CONTINUATION, 'cleanup': True},
    'model': {
      'type': 'WordPiece',
      'unk_token': UNK,
      'continuing_subword_prefix': CONTINUATION,
      'max_input_chars_per_word': MAX_CHARS_PER_WORD,
      'vocab': _ids(tokenizer),
    },
  }


def _template(tokenizer: BertTokenizer) -> dict[str, Any]:
  """Returns what puts [CLS] and [SEP] around one text or two."""

  def special(token: str, segment: int) -> dict[str, Any]:
    return {'SpecialToken': {'id': token, 'type_id': segment}}

  def text(name: str, segment: int) -> dict[str, Any]:
    return {'Sequence': {'id': name, 'type_id': segment}}

  single = [special(CLS, 0), text('A', 0), special(SEP, 0)]
  ids = {CLS: tokenizer.cls_id, SEP: tokenizer.sep_id}
  return {
    'type': 'TemplateProcessing',
    'single': single,
    'pair': [*single, text('B', 1), special(SEP, 1)],
    'special_tokens': {
      token: {'id': token, 'ids': [number], 'tokens': [token]}
      for token, number in ids.items()
    },
  }
