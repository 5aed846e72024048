"""Sentences and pairs as the inputs of a model: token ids and segments.

  one text    [CLS] the dog barks [SEP]             segments 0 0 0 0 0
  a pair      [CLS] is it ? [SEP] no , it is [SEP]  0 up to the first [SEP],
                                                    then 1

All functions use TensorFlow ops only, so a SavedModel can hold them.

Tested by `tests/data/tasks/text_encoding_test.py`.
"""

from collections.abc import Sequence

import tensorflow as tf

from data.tasks.examples import Texts
from data.text.tokenization import BertTokenizer


def encode_texts(
  tokenizer: BertTokenizer,
  texts_a: tf.Tensor | Sequence[str],
  texts_b: tf.Tensor | Sequence[str] | None,
  max_seq_length: int,
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
  """Tokenizes texts or pairs and adds [CLS] and [SEP].

  Args:
    tokenizer: BERT's tokenizer.
    texts_a: N strings.
    texts_b: N strings, or None for single sentences.
    max_seq_length: S; longer inputs are cut, the longer text of a pair first.

  Returns:
    `input_ids` and `segment_ids`, int32 [N, (tokens)], at most S a row.
  """
  a = tokenizer.tokenize(texts_a)
  if texts_b is None:
    kept = tf.minimum(a.row_lengths(), max_seq_length - 2)
    return _assemble(tokenizer, [a], [kept])
  b = tokenizer.tokenize(texts_b)
  # As in BERT, a text B without tokens has no [SEP].
  num_special = tf.where(b.row_lengths() > 0, 3, 2)
  kept = trimmed_lengths(
    a.row_lengths(),
    b.row_lengths(),
    tf.cast(max_seq_length - num_special, tf.int64),
  )
  return _assemble(tokenizer, [a, b], kept)


def encode_examples(
  tokenizer: BertTokenizer,
  examples: Sequence[Texts],
  is_pair: bool,
  max_seq_length: int,
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
  """Encodes the texts of examples; see `encode_texts`.

  Args:
    tokenizer: BERT's tokenizer.
    examples: N objects with texts.
    is_pair: whether `text_b` is read.
    max_seq_length: S.
  """
  return encode_texts(
    tokenizer,
    [example.text_a for example in examples],
    [example.text_b for example in examples] if is_pair else None,
    max_seq_length,
  )


def trimmed_lengths(
  length_a: tf.Tensor, length_b: tf.Tensor, limit: tf.Tensor | int
) -> tuple[tf.Tensor, tf.Tensor]:
  """Computes how many tokens of each text of a pair are kept.

  BERT removes one token at a time from the end of the longer text, from B if
  both are equally long. So either only one text is cut, or both end at half of
  the limit, A with the odd token.

  Args:
    length_a: int64 [N].
    length_b: int64 [N].
    limit: the most tokens of both together, int64 [N] or a number.

  Returns:
    The two lengths, int64 [N].
  """
  half = -(-limit // 2)
  kept_a = tf.minimum(length_a, tf.maximum(limit - length_b, half))
  return kept_a, tf.minimum(length_b, limit - kept_a)


def _assemble(
  tokenizer: BertTokenizer,
  texts: Sequence[tf.RaggedTensor],
  kept: Sequence[tf.Tensor],
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
  """Joins [CLS] and the texts, each with its [SEP]; see `encode_texts`.

  Finds where each token of the result comes from, then gathers all at once:
  TensorFlow's functions on ragged tensors start several times as many ops.

  Args:
    tokenizer: has the ids of [CLS] and [SEP].
    texts: one or two, int32 [N, (tokens)].
    kept: for each text, how many tokens of each row are kept, int64 [N].
  """
  specials = [tokenizer.cls_id, tokenizer.sep_id]
  tokens = tf.concat([*(text.flat_values for text in texts), specials], axis=0)
  sep_at = tf.size(tokens, tf.int64) - 1
  # The first column of each text, and the end of the row.
  columns = [tf.ones_like(kept[0]), kept[0] + 2]
  for count in kept[1:]:
    columns.append(columns[-1] + tf.where(count > 0, count + 1, 0))
  splits = tf.concat([[0], tf.cumsum(columns[-1])], axis=0)

  position = tf.range(splits[-1])
  row = tf.searchsorted(splits, position, side='right') - 1
  column = position - tf.gather(splits, row)
  source = tf.where(column == 0, sep_at - 1, sep_at)
  text_at = tf.zeros([], tf.int64)
  for text, count, first in zip(texts, kept, columns[:-1], strict=True):
    token = column - tf.gather(first, row)
    is_token = (token >= 0) & (token < tf.gather(count, row))
    in_text = text_at + tf.gather(text.row_splits, row) + token
    source = tf.where(is_token, in_text, source)
    text_at += tf.size(text.flat_values, tf.int64)
  # The second text begins after the first [SEP]; a single text ends there.
  segments = tf.cast(column >= tf.gather(columns[1], row), tf.int32)
  return tuple(
    tf.RaggedTensor.from_row_splits(values, splits, validate=False)
    for values in (tf.gather(tokens, source), segments)
  )
