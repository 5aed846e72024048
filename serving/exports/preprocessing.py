"""The preprocessing model of a BERT as on TensorFlow Hub, from text to ids.

The tokenizer is this project's, because that of TensorFlow Hub's models
(tensorflow_text's `BertTokenizer`) gives other ids than google-research/bert on
some texts. The rest is that of tf-models-official.

Tested by `tests/serving/exports/tf_hub_test.py`.
"""

import tensorflow as tf
from official.nlp.modeling.layers import BertPackInputs
from official.nlp.tools.export_tfhub_lib import BertPackInputsSavedModelWrapper

from data.text.tokenization import BertTokenizer
from data.text.vocabulary import PAD

_TEXTS = tf.TensorSpec([None], tf.string, 'sentences')


class Tokenize(tf.Module):
  """Texts to word pieces, as `tokenize` of a preprocessing model."""

  def __init__(self, tokenizer: BertTokenizer):
    """Takes the model's tokenizer."""
    super().__init__(name='tokenize')
    self.tokenizer = tokenizer

  @tf.function(input_signature=[_TEXTS], autograph=False)
  def __call__(self, sentences: tf.Tensor) -> tf.RaggedTensor:
    """Tokenizes string [B]; returns int32 [B, (words), (pieces)]."""
    return words_of(
      self.tokenizer.tokenize(sentences), self.tokenizer.continuation_mask
    )

  @tf.function(input_signature=[], autograph=False)
  def get_special_tokens_dict(self) -> dict[str, tf.Tensor]:
    """Returns the ids of special tokens by TensorFlow Hub's names."""
    return {
      name: tf.constant(value)
      for name, value in special_tokens(self.tokenizer).items()
    }


class Preprocessor(tf.Module):
  """A preprocessing model, as it is saved.

  Called with `sentences`, string [B], it returns int32 [B, S]
  `input_word_ids`, `input_mask` and `input_type_ids`.

  Attributes:
    tokenize: see `Tokenize`.
    bert_pack_inputs: takes a list of one or two results of `tokenize`, and
      `seq_length`; returns what a call of this object does.
  """

  def __init__(self, tokenizer: BertTokenizer, seq_length: int):
    """Takes the tokenizer, and S where none is given."""
    super().__init__(name='preprocess')
    self.tokenize = Tokenize(tokenizer)
    pack = BertPackInputs(
      seq_length, special_tokens_dict=special_tokens(tokenizer)
    )
    self.bert_pack_inputs = BertPackInputsSavedModelWrapper(pack)

  @tf.function(input_signature=[_TEXTS], autograph=False)
  def __call__(self, sentences: tf.Tensor) -> dict[str, tf.Tensor]:
    """Tokenizes and packs single texts."""
    # Python looks up __call__ in the class; the wrapper has it as attribute.
    return self.bert_pack_inputs.__call__([self.tokenize(sentences)])


def special_tokens(tokenizer: BertTokenizer) -> dict[str, int]:
  """Returns the ids of special tokens by TensorFlow Hub's names."""
  return {
    'vocab_size': tokenizer.vocab_size,
    'start_of_sequence_id': tokenizer.cls_id,
    'end_of_segment_id': tokenizer.sep_id,
    'padding_id': tokenizer.tokens.index(PAD),
    'mask_id': tokenizer.mask_id,
  }


def words_of(pieces: tf.RaggedTensor, continues) -> tf.RaggedTensor:
  """Splits rows of word pieces into words.

  Args:
    pieces: int32 [B, (pieces)].
    continues: bool [V], whether a piece continues a word.

  Returns:
    int32 [B, (words), (pieces)].
  """
  starts = ~tf.gather(tf.constant(continues), pieces.values)
  num_words = tf.reduce_sum(
    pieces.with_values(tf.cast(starts, tf.int64)), axis=1
  )
  first = tf.where(starts)[:, 0]
  ends = tf.concat([first, [tf.size(starts, tf.int64)]], axis=0)
  words = tf.RaggedTensor.from_row_splits(pieces.values, ends, validate=False)
  return tf.RaggedTensor.from_row_lengths(words, num_words, validate=False)
