"""BERT's tokenizer as TensorFlow graph ops.

It returns the same ids as google-research/bert's `FullTokenizer`, which cleans
white space and control characters, optionally lower-cases text and strips
accents, splits it at punctuation and CJK characters, then cuts words greedily
into the longest wordpieces. Here one call tokenises a whole batch, and the same
function runs eagerly, in a `tf.data` pipeline and in an exported SavedModel.

The character classes are those of the Unicode versions inside TensorFlow (RE2
and ICU), so that ids do not depend on the version of Python.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from data.text.vocabulary import (
  CLS,
  CONTINUATION,
  MASK,
  MAX_CHARS_PER_WORD,
  SEP,
  UNK,
  Vocabulary,
  load_vocabulary,
)

# UTF-8 needs at most 4 bytes a character.
_MAX_BYTES_PER_WORD = 4 * MAX_CHARS_PER_WORD

_ASCII = r'[\x00-\x7F]*'
# Tab, line feed and carriage return are white space, not control characters.
_ASCII_CONTROL = r'\x00-\x08\x0B\x0C\x0E-\x1F\x7F'
_ASCII_PUNCTUATION = r'!-/:-@\[-`{-~'
_CONTROL = rf'[{_ASCII_CONTROL}\x{{80}}-\x{{9F}}\p{{Cf}}\x{{FFFD}}]+'
_SPACE = r'[\p{Zs}\p{Zl}\p{Zp}]+'
_ACCENT = r'\p{Mn}+'
# The blocks that google-research/bert treats as Chinese: without kana, Hangul
# and the blocks that Unicode added after 2018.
_CJK = (
  r'\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}'
  r'\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}'
  r'\x{2F800}-\x{2FA1F}'
)
_SINGLE_CHARACTER_WORD = rf'([\p{{P}}{_CJK}])'
# For text in which only ASCII characters separate words.
_LONG_WORD = rf'[^\s{_ASCII_PUNCTUATION}]{{{MAX_CHARS_PER_WORD + 1},}}'
_TOO_LONG = 'x' * (_MAX_BYTES_PER_WORD + 1)


class BertTokenizer(tf.Module):
  """Converts texts to wordpiece ids, those of google-research/bert.

  Attributes:
    vocabulary: the vocabulary.
    vocab_size: the number of ids, V.
    tokens: the token of each id.
    unk_id, cls_id, sep_id, mask_id: ids of the special tokens.
    vocab_checksum: identifies the vocabulary; see `Vocabulary.checksum`.
    continuation_mask: bool [V], True if a token begins with '##'.
  """

  def __init__(self, vocabulary: str | Vocabulary, do_lower_case: bool = True):
    """Reads the vocabulary.

    Args:
      vocabulary: the path of a `vocab.txt`, or its content.
      do_lower_case: whether to lower-case and to remove accents, as uncased
        models need.

    Raises:
      UserError: as `load_vocabulary`.
    """
    super().__init__(name='bert_tokenizer')
    self.do_lower_case = do_lower_case
    if isinstance(vocabulary, str):
      vocabulary = load_vocabulary(vocabulary)
    self.vocabulary = vocabulary
    self.vocab_size = len(self.vocabulary.tokens)
    self.vocab_checksum = self.vocabulary.checksum
    ids = self.vocabulary.ids
    self.unk_id, self.cls_id = ids[UNK], ids[CLS]
    self.sep_id, self.mask_id = ids[SEP], ids[MASK]
    does_not_split_words = supports_detokenization = False
    kernel = tf_text.build_fast_wordpiece_model(
      _matchable(self.vocabulary),
      _MAX_BYTES_PER_WORD,
      CONTINUATION,
      UNK,
      does_not_split_words,
      supports_detokenization,
    )
    # As a tensor: `FastWordpieceTokenizer` converts bytes one by one.
    self._wordpieces = tf_text.FastWordpieceTokenizer(
      model_buffer=tf.constant(np.frombuffer(kernel, np.uint8)),
      token_out_type=tf.int32,
    )

  def __reduce__(self):
    """Pickles the constructor's arguments: TensorFlow can't pickle kernels."""
    return BertTokenizer, (Vocabulary(self.tokens), self.do_lower_case)

  @property
  def tokens(self) -> list[str]:
    """The token of each id."""
    return self.vocabulary.tokens

  @property
  def continuation_mask(self) -> np.ndarray:
    """Bool [V]; True if a token continues a word (begins with '##')."""
    return self.vocabulary.continuation_mask

  def tokenize(self, strings: tf.Tensor | Sequence[str]) -> tf.RaggedTensor:
    """Tokenizes texts; [CLS] and [SEP] are not added.

    Args:
      strings: string [N], UTF-8. Bytes that are not UTF-8 are ignored.

    Returns:
      int32 [N, (tokens)]; the row of a text without words is empty.

    Raises:
      ValueError: `strings` is not of rank 1.
    """
    strings = tf.convert_to_tensor(strings, tf.string)
    strings.shape.assert_has_rank(1)
    return self._wordpieces.tokenize(
      _separate_words(strings, self.do_lower_case)
    )


def _matchable(vocabulary: Vocabulary) -> list[str]:
  """Returns a token for each id; replaces those that no word can match.

  The wordpiece kernel requires distinct tokens that are not empty ('##' is,
  without its prefix), have no white space ('New York' would match across two
  words) and no control characters, some of which the kernel uses itself. A
  token longer than any word never matches, and the kernel may refuse it. A
  replacement has a control character, which cleaned text never has, so that it
  never matches. The kernel refuses a vocabulary without any token that it can
  match; one more replacement satisfies it.
  """

  def can_match(token: str, i: int) -> bool:
    letters = token.removeprefix(CONTINUATION)
    is_one_word = letters.isalnum() or (
      bool(letters) and len(token.split()) == 1 and min(letters) >= ' '
    )
    is_last = vocabulary.ids[token] == i
    return is_one_word and len(letters) <= MAX_CHARS_PER_WORD and is_last

  all_differ = len(vocabulary.ids) == len(vocabulary.tokens)

  def surely_matches(token: str) -> bool:  # The quick test of most tokens.
    return all_differ and token.isalnum() and len(token) <= MAX_CHARS_PER_WORD

  tokens = [
    token if surely_matches(token) or can_match(token, i) else f'\x01{i}'
    for i, token in enumerate(vocabulary.tokens)
  ]
  if not any(token.isascii() and token.isalnum() for token in tokens):
    tokens.append(f'\x01{len(tokens)}')
  return tokens


def space_words(
  strings: tf.Tensor | Sequence[str], do_lower_case: bool
) -> tf.Tensor:
  """Inserts white space between the words that the wordpiece kernel sees.

  Args:
    strings: string [N], UTF-8.
    do_lower_case: whether to lower-case and to remove accents.

  Returns:
    string [N], valid UTF-8. `split()` of its bytes gives the words; each gives
    the same ids on its own as within its text. A word of more than
    `MAX_CHARS_PER_WORD` characters is replaced by another that is also longer.
  """
  strings = tf.convert_to_tensor(strings, tf.string)
  return tf.strings.regex_replace(
    _separate_words(strings, do_lower_case),
    rf'([{_ASCII_PUNCTUATION}])',
    r' \1 ',
  )


def _separate_words(strings: tf.Tensor, do_lower_case: bool) -> tf.Tensor:
  """Cleans texts until only white space and punctuation separate words.

  Args:
    strings: string [N].
    do_lower_case: whether to lower-case and to remove accents.

  Returns:
    string [N], valid UTF-8. Only words that must become [UNK] are too long for
    the wordpiece kernel.
  """
  if do_lower_case:
    # Lower-case ASCII first, by bytes: ICU's lower-casing follows the locale,
    # and a Turkish locale turns I into a dotless i.
    strings = tf.strings.lower(strings)
  # Clean only non-ASCII lines. Most English lines are ASCII, and skipping them
  # saves time.
  is_ascii = tf.strings.regex_full_match(strings, _ASCII)
  rows = tf.where(~is_ascii)
  strings = tf.tensor_scatter_nd_update(
    strings, rows, _clean_unicode(tf.gather_nd(strings, rows), do_lower_case)
  )
  strings = tf.strings.regex_replace(strings, rf'[{_ASCII_CONTROL}]+', '')
  return tf.strings.regex_replace(strings, _LONG_WORD, _TOO_LONG)


def _clean_unicode(strings: tf.Tensor, do_lower_case: bool) -> tf.Tensor:
  """Cleans non-ASCII text and separates its words; see `_separate_words`."""
  replace = tf.strings.regex_replace
  strings = tf.strings.unicode_transcode(
    strings, 'UTF-8', 'UTF-8', errors='ignore'
  )
  strings = replace(strings, _CONTROL, '')
  strings = replace(strings, _SPACE, ' ')
  if do_lower_case:
    strings = tf.strings.lower(strings, encoding='utf-8')
    strings = tf_text.normalize_utf8(strings, 'NFD')
    strings = replace(strings, _ACCENT, '')
  return replace(strings, _SINGLE_CHARACTER_WORD, r' \1 ')
