"""Labels texts with an ONNX export: ONNX Runtime, tokenizers, no TensorFlow.

The folder is one of `tools.export_model --format=onnx`, or of Optimum:

the models that `FILES` names
config.json, tokenizer.json, and export.json if we wrote it

Tested by `tests/serving/onnx_model_test.py`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modeling.checkpoints import export_file
from serving import export_folder, padded_batches, tokenizer_file
from serving.model import Model, Text
from serving.tokenizer_file import TokenizerFile
from system import files
from system.errors import UserError, reason_of

# The kinds of models, as `quantize` calls them; the first is always there.
FILES = {
  'float32': 'onnx/model.onnx',
  'dynamic': 'onnx/model_quantized.onnx',
  'static': 'onnx/model_static.onnx',
}
PACKAGES = ('onnxruntime', tokenizer_file.PACKAGE)
LOGITS = 'logits'
# ONNX Runtime's levels of messages: errors only.
_ERROR = 3


# `input_ids`, `attention_mask` and `token_type_ids`, int64 [B, S] → the logits,
# float32 [B, C].
Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]


class OnnxModel(Model):
  """A classifier or regressor of an ONNX file; `load` makes it."""

  def __init__(self, run: Run, tokenizer: TokenizerFile, **attributes):
    """Takes the parts of a model.

    Args:
      run: computes it.
      tokenizer: cuts its inputs.
      **attributes: those of `Model`.
    """
    super().__init__(**attributes)
    self._run = run
    self._tokenizer = tokenizer

  def _logits(
    self, texts: Sequence[Text], are_pairs: bool, batch_size: int
  ) -> np.ndarray:
    ids, segments = self._tokenizer.encode(texts, are_pairs)
    return padded_batches.run(
      self._run, ids, segments, batch_size, self._tokenizer.pad_id
    )


def find(folder: str, kind: str) -> str:
  """Returns the path of a folder's model of a kind, one of `FILES`.

  Raises:
    UserError: the folder, the model or its tokenizer is missing.
  """
  return export_folder.find_model(
    folder, FILES, kind, 'ONNX export', 'onnx', [tokenizer_file.NAME]
  )


def load(folder: str, kind: str = 'float32') -> OnnxModel:
  """Loads a model.

  Args:
    folder: the export, see the module's docstring.
    kind: one of `FILES`.

  Raises:
    UserError: a file is missing or damaged, the model has no head for a task,
      or the names of its labels are unknown.
  """
  path = find(folder, kind)
  session = _session(path)
  inputs = {each.name for each in session.get_inputs()}
  shapes = {each.name: each.shape for each in session.get_outputs()}

  def run(features: Mapping[str, np.ndarray]) -> np.ndarray:
    given = {name: x for name, x in features.items() if name in inputs}
    return session.run([LOGITS], given)[0]

  return of_export(folder, run, num_outputs(shapes, path))


def of_export(folder: str, run: Run, num_outputs: int) -> OnnxModel:
  """Returns the model of an export, whatever computes it.

  Args:
    folder: the export.
    run: computes its logits.
    num_outputs: C.

  Raises:
    UserError: the tokenizer is damaged, or the names of the labels are unknown.
  """
  recorded = export_file.read(folder)
  longest = export_folder.longest_input(folder)
  tokenizer = TokenizerFile(folder, longest)
  labels = export_folder.labels(folder, num_outputs)
  return OnnxModel(
    run,
    tokenizer,
    labels=labels,
    takes_pairs=recorded.takes_pairs,
    max_seq_length=longest,
    temperature=recorded.temperature,
  )


def _session(path: str):
  import onnxruntime

  options = onnxruntime.SessionOptions()
  options.log_severity_level = _ERROR
  with files.open_stream(path) as file:
    content = file.read()
  try:
    return onnxruntime.InferenceSession(
      content, options, providers=['CPUExecutionProvider']
    )
  # ONNX Runtime has many kinds of errors, without a common base.
  except Exception as error:
    reason = reason_of(error)
    raise UserError(f'{path} is not an ONNX model: {reason}') from error


def num_outputs(shapes: Mapping[str, Sequence], path: str) -> int:
  """Returns C.

  Args:
    shapes: the model's outputs by name.
    path: the model's file, for the message.

  Raises:
    UserError: there are no logits.
  """
  if LOGITS not in shapes:
    raise UserError(
      f'{path} has no head for a task: its outputs are '
      f'{", ".join(shapes)}, expected {LOGITS}'
    )
  return int(shapes[LOGITS][-1])
