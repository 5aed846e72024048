"""int8 variants of an ONNX export, written by ONNX Runtime's quantizer.

onnx/model_quantized.onnx   dynamic: the inputs of products are rounded by the
                            range that they have while the model runs
onnx/model_static.onnx      static: by the range that they had on some texts

Tested by `tests/serving/exports/quantized_test.py`.
"""

import os
import tempfile

import numpy as np

from serving import onnx_model
from serving.exports import checking
from serving.exports.format import Variant, VariantJob
from serving.padded_batches import FEATURES

_SCRIPT = 'quantize_int8.py'
_PACKAGES = ('onnx', 'onnxruntime')


def _write_dynamic(job: VariantJob, path: str) -> None:
  checking.run_script(job.python, _SCRIPT, _source(job), path)


def _write_static(job: VariantJob, path: str) -> None:
  with tempfile.TemporaryDirectory() as work:
    features = os.path.join(work, 'features.npz')
    np.savez(features, **{name: job.features[name] for name in FEATURES})
    checking.run_script(job.python, _SCRIPT, _source(job), path, features)


def _source(job: VariantJob) -> str:
  return os.path.join(job.folder, onnx_model.FILES['float32'])


VARIANTS = (
  Variant(
    'dynamic',
    onnx_model.FILES['dynamic'],
    'int8',
    _write_dynamic,
    packages=_PACKAGES,
  ),
  Variant(
    'static',
    onnx_model.FILES['static'],
    'static int8',
    _write_static,
    is_calibrated=True,
    packages=_PACKAGES,
  ),
)
