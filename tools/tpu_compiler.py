"""The TPU's compiler, without a TPU, in a process of its own."""

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
  """What a program takes of each device; `compile_seconds` of this machine."""

  compile_seconds: float
  flops: int
  argument_bytes: int
  output_bytes: int
  aliased_bytes: int
  temporary_bytes: int
  code_bytes: int

  @property
  def hbm_bytes(self) -> int:
    """All memory of the program; what results share with arguments, once."""
    return (
      self.argument_bytes
      + self.output_bytes
      - self.aliased_bytes
      + self.temporary_bytes
      + self.code_bytes
    )


class Compiler:
  """The compiler of one topology, in a process of its own for each call.

  Attributes:
    num_devices: R, the replicas that share a batch.
    device_kind: such as 'TPU v5 lite'.
    hbm_bytes: what a program can have of each device's memory.
  """

  def __init__(self, python: str, topology: str):
    """Asks what the topology is.

    Raises:
      UserError: there is no such topology, or no such compiler.
    """
    self._command = [python, _SCRIPT, topology]
    described = self._call()
    self.num_devices: int = described['num_devices']
    self.device_kind: str = described['device_kind']
    self.hbm_bytes: int = described['hbm_bytes']

  def compile(self, program: bytes) -> Cost | str:
    """Compiles serialized StableHLO for all devices.

    Returns:
      The cost; or, where the program is too large, the compiler's words.

    Raises:
      UserError: it does not compile for another reason.
    """
    with tempfile.NamedTemporaryFile(suffix='.mlir') as file:
      file.write(program)
      file.flush()
      answer = self._call(file.name)
    return answer.get('too_large') or Cost(**answer)

  def _call(self, *arguments: str) -> dict:
    python, _, topology = self._command
    try:
      done = subprocess.run(
        [*self._command, *arguments], capture_output=True, text=True
      )
    except OSError as error:
      raise UserError(f'--preflight_python={python}: {error}') from error
    try:
      answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
      raise UserError(
        f'the compiler for --topology={topology} ended with status '
        f'{done.returncode}: {done.stderr[-2000:]}'
      ) from None
    if 'missing' in answer:
      raise UserError(_how_to_install(python, answer['missing']))
    if 'error' in answer:
      raise UserError(f'--topology={topology}: {answer["error"]}')
    return answer


def _how_to_install(python: str, module: str) -> str:
  return (
    f'--preflight_python={python} has no {module}. The compiler needs 1.3 GB, '
    'best in an environment of its own:\n'
    '  python3.11 -m venv ~/preflight\n'
    f'  ~/preflight/bin/pip install {PACKAGES}\n'
    'Then give --preflight_python=~/preflight/bin/python'
  )
