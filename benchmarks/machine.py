"""Describes the machine of a benchmark, and saves it with the measurements."""

import json
import os
import platform
from typing import Any

from system import local_files, machine

_PACKAGES = (
  *('numpy', 'tensorflow', 'tensorflow-text', 'tf-models-official'),
  *('torch', 'transformers', 'onnxruntime', 'openvino', 'ai-edge-litert'),
)


def describe() -> dict[str, Any]:
  """Returns the hardware, the system and the versions, as JSON values."""
  return {
    **machine.hardware(),
    'system': platform.platform(),
    'python': platform.python_version(),
    'packages': machine.versions(_PACKAGES),
  }


def save(
  path: str | None, measurements: dict, load_at_start: tuple[float, ...]
) -> None:
  """Writes measurements and the machine as JSON; does nothing without a path.

  Args:
    path: a local file or None.
    measurements: JSON values.
    load_at_start: the load average when the benchmark started.
  """
  if not path:
    return
  content = {
    **measurements,
    'machine': describe(),
    'load_average': {'start': load_at_start, 'end': os.getloadavg()},
  }
  local_files.write(path, json.dumps(content, indent=2) + '\n')
