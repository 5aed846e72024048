"""Labels texts with an ONNX export: ONNX Runtime, tokenizers, no TensorFlow.

The folder is one of `tools.export_model --format=onnx`, or of Optimum:

onnx/model.onnx             float32
onnx/model_quantized.onnx   int8
config.json, tokenizer.json, and export.json if we wrote it

Tested by `tests/serving/onnx_model_test.py`.
"""

import os
from collections.abc import Sequence

import numpy as np

from serving import export_record, padded_batches
from serving.model import Model, Text
from system import files
from system.errors import UserError, reason_of

FLOAT32, INT8 = 'onnx/model.onnx', 'onnx/model_quantized.onnx'
PACKAGES = ('onnxruntime', 'tokenizers')
_TOKENIZER = 'tokenizer.json'
_OUTPUT = 'logits'
# ONNX Runtime's levels of messages: errors only.
_ERROR = 3


class OnnxModel(Model):
  """A classifier or regressor that ONNX Runtime computes; `load` makes it."""

  def __init__(self, session, tokenizer, pad_id: int, **attributes):
    """Takes the parts of a model.

    Args:
      session: an `onnxruntime.InferenceSession` with the output `logits`.
      tokenizer: a `tokenizers.Tokenizer` that cuts its inputs.
      pad_id: the id of [PAD].
      **attributes: those of `Model`.
    """
    super().__init__(**attributes)
    self._session = session
    self._tokenizer = tokenizer
    self._pad_id = pad_id
    self._inputs = {each.name for each in session.get_inputs()}

  def _logits(
    self, texts: Sequence[Text], are_pairs: bool, batch_size: int
  ) -> np.ndarray:
    encoded = self._tokenizer.encode_batch(
      [tuple(text) if are_pairs else text for text in texts]
    )
    found = padded_batches.batches(
      [each.ids for each in encoded],
      [each.type_ids for each in encoded],
      batch_size,
      self._pad_id,
    )
    return padded_batches.in_order(
      ((batch, self._run(batch.features)) for batch in found), len(texts)
    )

  def _run(self, features: dict[str, np.ndarray]) -> np.ndarray:
    inputs = {k: v for k, v in features.items() if k in self._inputs}
    return self._session.run([_OUTPUT], inputs)[0]


def find(folder: str, is_int8: bool) -> str:
  """Returns the path of a folder's model.

  Raises:
    UserError: the folder, the model or its tokenizer is missing.
  """
  path = os.path.join(folder, INT8 if is_int8 else FLOAT32)
  for name in (path, os.path.join(folder, _TOKENIZER)):
    if not files.exists(name):
      raise UserError(
        f'{folder} is no ONNX export: {name} is missing. '
        '`python -m tools.export_model --format=onnx` writes it'
        + ', with `--quantize=dynamic`'
        * (is_int8 and name == path)
      )
  return path


def load(folder: str, is_int8: bool = False) -> OnnxModel:
  """Loads a model.

  Args:
    folder: the export, see the module's docstring.
    is_int8: whether to load the model with int8 weights.

  Raises:
    UserError: a file is missing or damaged, the model has no head for a task,
      or the names of its labels are unknown.
  """
  path = find(folder, is_int8)
  session = _session(path)
  recorded = export_record.read(folder)
  longest = export_record.longest_input(folder)
  tokenizer, pad_id = _tokenizer(os.path.join(folder, _TOKENIZER), longest)
  labels = export_record.labels(folder, _num_outputs(session, path))
  return OnnxModel(
    session,
    tokenizer,
    pad_id,
    labels=labels,
    takes_pairs=recorded.takes_pairs,
    max_seq_length=longest,
    temperature=recorded.temperature if labels else 1.0,
  )


def _session(path: str):
  import onnxruntime

  options = onnxruntime.SessionOptions()
  options.log_severity_level = _ERROR
  with files.open_read(path, 'rb') as file:
    content = file.read()
  try:
    return onnxruntime.InferenceSession(
      content, options, providers=['CPUExecutionProvider']
    )
  # ONNX Runtime has many kinds of errors, without a common base.
  except Exception as error:
    raise UserError(f'{path} is no ONNX model: {reason_of(error)}') from error


def _num_outputs(session, path: str) -> int:
  """Returns C; refuses a model without logits."""
  shapes = {each.name: each.shape for each in session.get_outputs()}
  if _OUTPUT not in shapes:
    raise UserError(
      f'{path} has no head for a task: its outputs are '
      f'{", ".join(shapes)}, expected {_OUTPUT}'
    )
  return int(shapes[_OUTPUT][-1])


def _tokenizer(path: str, longest: int):
  """Returns the tokenizer, and the id of [PAD]."""
  import tokenizers

  content = files.read_text(path)
  try:
    tokenizer = tokenizers.Tokenizer.from_str(content)
  # The package raises `Exception` itself.
  except Exception as error:
    raise UserError(f'{path} is damaged: {reason_of(error)}') from error
  tokenizer.enable_truncation(longest)
  tokenizer.no_padding()
  return tokenizer, tokenizer.token_to_id('[PAD]') or 0
