"""Describes the machine of a measurement, and saves both."""

import importlib.metadata
import json
import os
import platform
import subprocess
from typing import Any

import psutil

from tools import local_files

# nvidia-smi answers in about a second.
_SECONDS = 20

_PACKAGES = (
  *('numpy', 'tensorflow', 'tensorflow-text', 'tf-models-official'),
  *('torch', 'transformers'),
)


def describe() -> dict[str, Any]:
  """Returns the processor, the memory and the versions, as JSON values."""
  return {
    'cpu': _cpu_model(),
    'cores': len(os.sched_getaffinity(0)),
    'gpus': gpus(),
    'memory_megabytes': round(psutil.virtual_memory().total / 1e6),
    'system': platform.platform(),
    'python': platform.python_version(),
    'packages': {name: _version(name) for name in _PACKAGES},
  }


def gpus() -> list[str]:
  """Returns name, driver and memory of each NVIDIA GPU that processes see."""
  if os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1'):
    return []
  query = '--query-gpu=name,driver_version,memory.total'
  try:
    done = subprocess.run(
      ['nvidia-smi', query, '--format=csv,noheader'],
      capture_output=True,
      text=True,
      timeout=_SECONDS,
    )
  except (OSError, subprocess.TimeoutExpired):
    return []
  return [] if done.returncode else done.stdout.splitlines()


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


def _cpu_model() -> str:
  """Returns the processor's name, or its architecture if it has none."""
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
