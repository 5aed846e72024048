"""Runs the TPU's compiler in a separate process, on a machine without a TPU.

Tested by `tests/tools/tpu_preflight_test.py`.
"""

import dataclasses
import json
import os
import subprocess
import tempfile

from system.errors import UserError

PACKAGES = 'jax==0.10.2 jaxlib==0.10.2 libtpu==0.0.42.1'
_SCRIPT = os.path.join(os.path.dirname(__file__), 'compile_for_tpu.py')


@dataclasses.dataclass(frozen=True)
class Cost:
  """A program's operations and memory on each device.

  Attributes:
    compile_seconds: the compile time on this machine.
    flops: the compiler's count; it counts the body of a loop once.
  """

  compile_seconds: float
  flops: int
  argument_bytes: int
  output_bytes: int
  aliased_bytes: int
  temporary_bytes: int
  code_bytes: int

  @property
  def hbm_bytes(self) -> int:
    """The program's memory; aliased arguments and results count once."""
    return (
      self.argument_bytes
      + self.output_bytes
      - self.aliased_bytes
      + self.temporary_bytes
      + self.code_bytes
    )


class Compiler:
  """The compiler for one topology; each call starts a process.

  Attributes:
    num_devices: R, the number of replicas that share a batch.
    device_kind: the kind of device, such as 'TPU v5 lite'.
    hbm_bytes: the memory of each device that is available to a program.
  """

  def __init__(self, python: str, topology: str):
    """Asks the compiler to describe the topology.

    Args:
      python: an interpreter that has `PACKAGES`.
      topology: a TPU generation and its chips along each axis, 'v5e:2x4'.

    Raises:
      UserError: the topology or the compiler does not exist.
    """
    self._python = python
    self._topology = topology
    description = self._call()
    self.num_devices: int = description['num_devices']
    self.device_kind: str = description['device_kind']
    self.hbm_bytes: int = description['hbm_bytes']

  def compile(self, program: bytes) -> Cost | str:
    """Compiles serialized StableHLO for all devices.

    Returns:
      The cost, or the compiler's message if the program needs too much memory.

    Raises:
      UserError: compiling fails for another reason.
    """
    with tempfile.NamedTemporaryFile(suffix='.mlir') as file:
      file.write(program)
      file.flush()
      answer = self._call(file.name)
    return answer.get('too_large') or Cost(**answer)

  def _call(self, *arguments: str) -> dict:
    """Runs `compile_for_tpu.py` and returns its answer."""
    try:
      process = subprocess.run(
        [self._python, _SCRIPT, self._topology, *arguments],
        capture_output=True,
        text=True,
      )
    except OSError as error:
      raise UserError(f'--preflight_python={self._python}: {error}') from error
    try:
      answer = json.loads(process.stdout.splitlines()[-1])
    except (IndexError, ValueError):
      raise UserError(
        f'the compiler for --topology={self._topology} ended with status '
        f'{process.returncode}: {process.stderr[-2000:]}'
      ) from None
    if 'missing' in answer:
      raise UserError(_install_advice(self._python, answer['missing']))
    if 'error' in answer:
      raise UserError(f'--topology={self._topology}: {answer["error"]}')
    return answer


def _install_advice(python: str, module: str) -> str:
  return (
    f'--preflight_python={python} has no {module}. The compiler needs 1.3 GB; '
    'install it in a separate environment:\n'
    '  python3.11 -m venv ~/preflight\n'
    f'  ~/preflight/bin/pip install {PACKAGES}\n'
    'Then set --preflight_python=~/preflight/bin/python'
  )
