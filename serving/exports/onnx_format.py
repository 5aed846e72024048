"""The format of ONNX Runtime, Optimum and transformers.js.

onnx/model.onnx   ids in, logits out; any batch and any length
config.json and the tokenizer's files, as in the format of Hugging Face

The graph is written from the weights by `onnx_bert`; no converter is needed.
`onnx_int8` has its variants.
"""

import os

from serving import onnx_model
from serving.exports import hugging_face, onnx_int8
from serving.exports.format import Format
from serving.exports.parts import Parts
from system import files
from system.errors import UserError

# A protocol buffer has at most 2 GiB.
_MAX_BYTES = 2**31 - 1


def check(parts: Parts) -> None:
  """Raises a `UserError` if the weights are too large for one file."""
  size = sum(value.nbytes for value in parts.weights.values())
  if size > _MAX_BYTES:
    raise UserError(
      f'the weights have {size / 1e9:.1f} GB, expected at most '
      f'{_MAX_BYTES / 1e9:.1f}'
    )


def write(parts: Parts, folder: str) -> None:
  """Writes a model into an existing folder."""
  # The import takes a second and needs the package.
  from serving.exports import onnx_bert

  metadata = {'max_seq_length': str(parts.max_seq_length)}
  model = onnx_bert.build(parts.config, parts.weights, parts.head, metadata)
  hugging_face.describe(parts, folder)
  path = os.path.join(folder, onnx_model.FILES['float32'])
  files.make_folder(os.path.dirname(path))
  with files.open_write(path, 'wb') as file:
    file.write(model.SerializeToString(deterministic=True))


FORMAT = Format(
  name='onnx',
  writer_packages=('onnx',),
  checker_packages=('numpy', 'onnxruntime', 'tokenizers'),
  checker='onnx_runtime.py',
  bound=1e-5,
  write=write,
  check=check,
  variants=onnx_int8.VARIANTS,
)
