"""int8 variants of an ONNX export, written by ONNX Runtime's quantizer.

onnx/model_quantized.onnx   dynamic: the inputs of products are rounded by the
                            range that they have while the model runs
onnx/model_static.onnx      static: by the range that they had on some texts

Tested by `tests/serving/exports/quantization_test.py`.
"""

import os
import tempfile

import numpy as np

from serving import onnx_model
from serving.exports import isolated_script
from serving.exports.format import Variant, VariantJob
from serving.padded_batches import FEATURES

_SCRIPT = 'converters/onnx_int8.py'
_PACKAGES = ('onnx', 'onnxruntime')


def _write_dynamic(job: VariantJob, path: str) -> None:
  _convert(job, path)


def _write_static(job: VariantJob, path: str) -> None:
  with tempfile.TemporaryDirectory() as work:
    features = os.path.join(work, 'features.npz')
    np.savez(features, **{name: job.features[name] for name in FEATURES})
    _convert(job, path, features)


def _convert(job: VariantJob, path: str, *features: str) -> None:
  source = os.path.join(job.folder, onnx_model.FILES['float32'])
  isolated_script.run(
    job.python, _SCRIPT, source, path, *features, action='written'
  )


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
