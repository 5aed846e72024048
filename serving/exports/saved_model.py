"""The format of TensorFlow Serving: a SavedModel that takes text.

1/saved_model.pb   the graph, with the tokenizer and the names of the labels
1/variables/       the weights, by their released names

TensorFlow Serving loads the folder that holds the numbered one. The signatures:

serving_default  `text`, or `text_a` and `text_b`, string [B]
                 → `label`, string [B]; `probabilities` and `logits`,
                 float32 [B, C]; of a regressor `value`, float32 [B]
tokenize         the same inputs → `input_ids`, `input_mask` and
                 `input_type_ids`, int32 [B, S], S that of the longest row
"""

import os
from collections.abc import Callable

import tensorflow as tf

from data.tasks import text_encoding
from modeling.models import released_variables
from serving.exports import heads
from serving.exports.format import Format
from serving.exports.parts import Parts

# TensorFlow Serving takes names of folders that are numbers for versions.
VERSION = '1'


class SavedModule(tf.Module):
  """A classifier or regressor with its tokenizer, as it is saved.

  Attributes:
    weights: released name → variable.
    tokenizer: the model's.
    predict, tokenize: the functions of the two signatures.
  """

  def __init__(self, parts: Parts):
    """Takes the parts of a model with a head for a task.

    Args:
      parts: the model. Its Keras layers are called, but not tracked: Keras
        would save separate functions for each of them.
    """
    super().__init__(name='saved_module')
    self.weights = released_variables(parts.model)
    self.tokenizer = parts.tokenizer
    names = ('text_a', 'text_b') if parts.takes_pairs else ('text',)
    specs = [tf.TensorSpec([None], tf.string, name) for name in names]
    # Autograph would convert the model's code, which takes long.
    self.predict = tf.function(_predictor(parts), specs, autograph=False)
    self.tokenize = tf.function(_encoder(parts), specs, autograph=False)


def _encoder(parts: Parts) -> Callable[..., dict[str, tf.Tensor]]:
  """Returns a function from texts to padded ids."""

  def encode(*texts: tf.Tensor) -> dict[str, tf.Tensor]:
    first, second = texts if len(texts) == 2 else (*texts, None)
    ids, segments = text_encoding.encode_texts(
      parts.tokenizer, first, second, parts.max_seq_length
    )
    return {
      'input_ids': ids.to_tensor(),
      'input_mask': tf.sequence_mask(ids.row_lengths(), dtype=tf.int32),
      'input_type_ids': segments.to_tensor(),
    }

  return encode


def _predictor(parts: Parts) -> Callable[..., dict[str, tf.Tensor]]:
  """Returns a function from texts to the outputs of `serving_default`."""
  encode = _encoder(parts)

  def predict(*texts: tf.Tensor) -> dict[str, tf.Tensor]:
    features = encode(*texts)
    features['segment_ids'] = features.pop('input_type_ids')
    logits = parts.model(features)['logits']
    if parts.is_regression:
      return {'value': logits[:, 0]}
    return {
      'label': tf.gather(tf.constant(parts.labels), tf.argmax(logits, axis=1)),
      'probabilities': tf.nn.softmax(logits / parts.temperature),
      'logits': logits,
    }

  return predict


def write(parts: Parts, folder: str) -> None:
  """Writes a model with a head for a task into an existing folder."""
  module = SavedModule(parts)
  signatures = {'serving_default': module.predict, 'tokenize': module.tokenize}
  tf.saved_model.save(module, os.path.join(folder, VERSION), signatures)


FORMAT = Format(
  name='saved_model',
  writer_packages=('tensorflow', 'tensorflow_text'),
  checker_packages=('numpy', 'tensorflow', 'tensorflow_text'),
  checker='saved_model.py',
  bound=1e-5,
  write=write,
  heads=(heads.TASK,),
  may_import=('keras', 'tensorflow', 'tensorflow_text', 'tf_keras'),
)
