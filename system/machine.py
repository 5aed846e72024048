"""Describes the machine and the versions behind a measurement."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from typing import Any

import psutil

from system.threads import num_cores

# nvidia-smi answers in about a second.
_SECONDS = 20


def hardware() -> dict[str, Any]:
  """Returns the processor, its cores, the GPUs and the memory.

  They are JSON values: 'cpu', 'cores' that this process may use, 'gpus' as
  `gpus` returns them, and 'memory_megabytes'.
  """
  return {
    'cpu': _cpu_model(),
    'cores': num_cores(),
    'gpus': gpus(),
    'memory_megabytes': round(psutil.virtual_memory().total / 1e6),
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


def versions(packages: Iterable[str]) -> dict[str, str | None]:
  """Returns the installed version of each package; None if there is none."""
  return {name: _version(name) for name in packages}


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
