"""Chooses what computes a model: TensorFlow, or another runtime.

  from serving import runtimes

  model = runtimes.load('exported/onnx')
  print(model.predict(['a fine film']))

A new runtime is a module of this folder with a subclass of `Model`, and a line
in `_RUNTIMES`. Does not import TensorFlow before it loads a model that needs
it.

Tested by `tests/serving/runtimes_test.py`.
"""

import dataclasses
import functools
import importlib.util
import os
import types
from collections.abc import Callable

from modeling.checkpoints import export_file
from serving import (
  litert_model,
  onnx_model,
  openvino_model,
  saved_model_model,
  tf_models_model,
  transformers_model,
)
from serving.model import Model
from system import files
from system.errors import UserError

TENSORFLOW, TRANSFORMERS = 'tensorflow', 'transformers'
# Runtime → the kind of its model.
_ONNX = {'onnx': 'float32', 'onnx_int8': 'dynamic', 'onnx_static': 'static'}
_OPENVINO = {'openvino': 'float32'}
_SAVED_MODEL = {'saved_model': 'float32'}
_TF_MODELS = {'tf_models': 'float32'}
_LITERT = {
  'litert': 'float32',
  'litert_float16': 'float16',
  'litert_dynamic': 'dynamic',
  'litert_static': 'static',
}


@dataclasses.dataclass(frozen=True)
class _Runtime:
  """A runtime.

  Attributes:
    packages: what it imports.
    extra: the extra in setup.cfg with these packages; '' if they come with the
      project.
    check: raises a `UserError` if a folder holds no model of its kind.
    load: loads the model of a folder.
  """

  packages: tuple[str, ...]
  extra: str
  check: Callable[[str], object]
  load: Callable[[str], Model]


def _check_run(path: str) -> None:
  from modeling.checkpoints.location import locate

  locate(path)


def _load_run(path: str) -> Model:
  from serving import text_model

  return text_model.load(path)


def _of_export(module: types.ModuleType, extra: str, kind: str) -> _Runtime:
  """Returns the runtime of one of the models that an export may have."""
  return _Runtime(
    module.PACKAGES,
    extra,
    functools.partial(module.find, kind=kind),
    functools.partial(module.load, kind=kind),
  )


_RUNTIMES = {
  TENSORFLOW: _Runtime((), '', _check_run, _load_run),
  **{
    name: _of_export(module, extra, kind)
    for module, extra, kinds in (
      (onnx_model, 'onnx', _ONNX),
      (openvino_model, 'openvino', _OPENVINO),
      (litert_model, 'litert', _LITERT),
      (saved_model_model, '', _SAVED_MODEL),
      (tf_models_model, 'tf-models', _TF_MODELS),
    )
    for name, kind in kinds.items()
  },
  TRANSFORMERS: _Runtime(
    transformers_model.PACKAGES,
    'hugging-face',
    transformers_model.check,
    transformers_model.load,
  ),
}
NAMES = tuple(_RUNTIMES)


def of(path: str) -> str:
  """Returns the runtime for a folder, by the files in it.

  It is ONNX Runtime for an ONNX export without other weights, LiteRT for a
  LiteRT export, with the float32 model if there are several, `saved_model` for
  a SavedModel, `tf_models` for a model of tf-models-official, else TensorFlow,
  which also reads a Hugging Face export.

  Args:
    path: the folder of a model; or what `location.locate` takes.
  """
  if not _holds_weights(path):
    for module, kinds in (
      (onnx_model, _ONNX),
      (litert_model, _LITERT),
      (saved_model_model, _SAVED_MODEL),
      (tf_models_model, _TF_MODELS),
    ):
      for name, kind in kinds.items():
        if files.exists(os.path.join(path, module.FILES[kind])):
          return name
  return TENSORFLOW


def _holds_weights(path: str) -> bool:
  """Returns whether there are weights that `tensorflow` reads."""
  from modeling.checkpoints.location import locate

  try:
    checkpoint = locate(path)
    return checkpoint.is_hugging_face or checkpoint.config() is not None
  except UserError:
    return False


def check(path: str, runtime: str | None = None) -> str:
  """Checks that a model can be loaded, without loading it.

  Args:
    path: as for `load`.
    runtime: as for `load`.

  Returns:
    The name of the runtime.

  Raises:
    UserError: the folder holds no model of this kind, or a package of the
      runtime is missing. The message says what to install.
  """
  name = runtime or of(path)
  chosen = _RUNTIMES[name]
  try:
    chosen.check(path)
  except UserError as error:
    raise UserError(f'{error}{_exports_in(path)}') from error
  missing = [x for x in chosen.packages if not importlib.util.find_spec(x)]
  if missing:
    raise UserError(
      f'the runtime {name} needs {", ".join(missing)}: '
      f"pip install -c constraints.txt -e '.[{chosen.extra}]'"
    )
  return name


def _exports_in(path: str) -> str:
  """Names the exports in a folder of exports, for messages."""
  if not files.is_folder(path):
    return ''
  found = [
    folder
    for name in files.list_folder(path)
    if files.exists(
      os.path.join(folder := os.path.join(path, name), export_file.FILE)
    )
  ]
  return f'. Name one of the exports in it: {", ".join(found)}' if found else ''


def load(path: str, runtime: str | None = None) -> Model:
  """Loads a trained model.

  Args:
    path: the folder of a run, or of an export. TensorFlow also takes a
      checkpoint's prefix.
    runtime: one of `NAMES`; by default that of `of`.

  Raises:
    UserError: as for `check`; or what belongs to the model is missing, damaged
      or contradictory.
  """
  return _RUNTIMES[check(path, runtime)].load(path)
