"""What a measurement was made on."""

import importlib.metadata
import os
import platform

import psutil

_PACKAGES = (
  *('numpy', 'tensorflow', 'tensorflow-text', 'tf-models-official'),
  *('torch', 'transformers'),
)


def describe() -> dict:
  """Returns the processor, the memory and the versions, as JSON has them."""
  return {
    'cpu': _cpu_model(),
    'cores': len(os.sched_getaffinity(0)),
    'memory_megabytes': round(psutil.virtual_memory().total / 1e6),
    'system': platform.platform(),
    'python': platform.python_version(),
    'packages': {name: _version(name) for name in _PACKAGES},
  }


def _cpu_model() -> str:
  """Returns the model's name; its architecture's where there is none."""
  with open('/proc/cpuinfo') as file:
    for line in file:
      if line.startswith('model name'):
        return line.partition(':')[2].strip()
  return platform.machine()


def _version(package: str) -> str | None:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None
