"""The format of LiteRT, formerly TensorFlow Lite, for phones and browsers.

model.tflite           float32
model_float16.tflite   float16 weights: half the size
model_dynamic.tflite   int8 weights; the inputs of products are rounded by the
                       range that they have while the model runs
model_static.tflite    int8 weights and activations, by their range on texts
labels.txt             the label of each logit; none of a regressor
conformance.jsonl      texts and their ids, see `conformance`
config.json, vocab.txt and the tokenizer's files, as in the format of ONNX

All models take `input_ids`, `input_mask` and `input_type_ids`, int32 [1, S],
padded with 0 to the maximum length, S, and return `logits`, float32 [1, C].
TensorFlow's converter leaks memory, so each runs in a separate process.
"""

import functools
import os
import sys
import tempfile
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from data.tasks import label_order
from modeling.attention import PADDING_SCORE, padding_scores
from modeling.encoder import LowerStates
from modeling.models import released_variables
from serving import litert_model
from serving.exports import conformance, heads, hugging_face, isolated_script
from serving.exports.format import Format, Variant, VariantJob
from serving.exports.parts import Parts
from system import files

_SCRIPT = 'converters/litert.py'
# What padding gets added to its attention scores. PADDING_SCORE in int8 would
# leave no bits to the scores; e^-12 is below what the softmax resolves, 2^-8.
_STATIC_PADDING_SCORE = -12.0


class FixedModel(tf.Module):
  """A classifier or regressor for one text of a fixed length.

  Attributes:
    weights: released name → variable.
    predict: maps int32 `input_ids`, `input_mask` and `input_type_ids` [1, S] to
      `logits`, float32 [1, C].
  """

  def __init__(self, parts: Parts, padding_score: float):
    """Takes the parts of a model with a head for a task.

    Args:
      parts: the model.
      padding_score: what is added to the attention scores of padding.
    """
    super().__init__(name='fixed_model')
    self.weights = released_variables(parts.model)
    shape = [1, parts.max_seq_length]
    specs = [
      tf.TensorSpec(shape, tf.int32, name) for name in litert_model.INPUTS
    ]
    self.predict = tf.function(
      functools.partial(_logits, parts, padding_score), specs, autograph=False
    )


def _logits(
  parts: Parts,
  padding_score: float,
  input_ids: tf.Tensor,
  input_mask: tf.Tensor,
  input_type_ids: tf.Tensor,
) -> dict[str, tf.Tensor]:
  """Computes what the model's `call` does, with another padding score."""
  encoder = parts.model.encoder
  padding = padding_scores(input_mask, padding_score)
  x = encoder.embeddings(input_ids, input_type_ids)
  x = tf.reshape(x, [-1, parts.config.hidden_size])
  for block in encoder.blocks[:-1]:
    x = block(x, padding)
  lower = LowerStates(tf.constant(1), [x], padding)
  pooled = encoder.last_layer(lower, cls_only=True)['pooled_output']
  return {'logits': parts.model.classify(pooled)}


def write(parts: Parts, folder: str) -> None:
  """Writes a model with a head for a task into an existing folder."""
  hugging_face.describe(parts, folder)
  label_order.write(folder, parts.labels)
  conformance.write(parts, os.path.join(folder, 'conformance.jsonl'))
  path = os.path.join(folder, litert_model.FILES['float32'])
  _convert(parts, path, 'float32')


def _write_variant(kind: str, job: VariantJob, path: str) -> None:
  _convert(job.parts, path, kind, job.features)


def _convert(
  parts: Parts,
  path: str,
  kind: str,
  features: Mapping[str, np.ndarray] | None = None,
) -> None:
  """Writes a model of a kind, in a separate process."""
  score = _STATIC_PADDING_SCORE if kind == 'static' else PADDING_SCORE
  model = FixedModel(parts, score)
  with tempfile.TemporaryDirectory() as work:
    source, target = os.path.join(work, 'source'), os.path.join(work, 'target')
    tf.saved_model.save(model, source, {'serving_default': model.predict})
    arguments = [source, target, kind]
    if features is not None:
      arguments.append(os.path.join(work, 'features.npz'))
      np.savez(arguments[-1], **_padded(features, parts.max_seq_length))
    isolated_script.run(sys.executable, _SCRIPT, *arguments, action='written')
    with open(target, 'rb') as found, files.open_write(path, 'wb') as file:
      file.write(found.read())


def _padded(
  features: Mapping[str, np.ndarray], length: int
) -> dict[str, np.ndarray]:
  """Returns the inputs of texts under the names of the models, [N, S]."""
  rows = litert_model.padded(features, length)
  return {name: rows[name] for name in litert_model.INPUTS}


def _variant(kind: str, title: str, is_calibrated: bool = False) -> Variant:
  write_it = functools.partial(_write_variant, kind)
  return Variant(kind, litert_model.FILES[kind], title, write_it, is_calibrated)


FORMAT = Format(
  name='litert',
  writer_packages=('tensorflow',),
  checker_packages=('ai_edge_litert', 'numpy'),
  checker='litert.py',
  bound=1e-5,
  write=write,
  heads=(heads.TASK,),
  variants=(
    _variant('float16', 'float16'),
    _variant('dynamic', 'int8'),
    _variant('static', 'static int8', is_calibrated=True),
  ),
)
