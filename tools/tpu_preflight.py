r"""Checks without a TPU whether a job fits one, and reports a step's cost.

  python -m tools.tpu_preflight --topology=v5e:2x2 --script=run_pretraining \
    --do_train --bert_size=tiny --vocab_file=vocab.txt --train_batch_size=1024

For choosing a TPU and a batch size before paying for them. The tool takes the
flags of a training script. It compiles a replica's step with the TPU's own
compiler, for batches of the longest length bucket, and searches for the largest
batch that fits the chip's memory. It reads no weights and no records.
"""

import contextlib
import dataclasses
import importlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags, logging

from cli import device_flags, flag_group, script
from system.errors import UserError
from tools.tpu import tpu_compiler
from tools.tpu.tpu_compiler import Compiler, Cost

if TYPE_CHECKING:
  from tools.tpu.replica_job import ReplicaJob

FLAGS = flags.FLAGS

# The search ends if a batch fits and one larger by this share does not.
_PRECISION = 1 / 8
_LARGEST_BATCH = 1 << 16  # Rows per replica; the search does not go beyond.


def define_flags() -> None:
  """Defines this tool's own flags, without those of the script."""
  flags.DEFINE_enum(
    'script',
    None,
    ['run_pretraining', 'run_classifier', 'run_distillation'],
    'The training script; all its flags are accepted, too.',
  )
  flags.DEFINE_string(
    'topology',
    None,
    'The TPU: its generation and its chips along each axis, such as v5e:2x4, '
    'v6e:4x4, v5p:2x2x1, v4:2x2x2 or v3:2x2.',
  )
  flags.DEFINE_bool(
    'search', True, 'Whether to search for the largest batch that fits.'
  )
  flags.DEFINE_string(
    'preflight_python',
    sys.executable,
    f'The Python that runs the compiler. It needs {tpu_compiler.PACKAGES}.',
  )


def largest_fitting(
  fits: Callable[[int], bool], start: int, is_fitting: bool
) -> int:
  """Searches for the largest number that fits, with a precision of an eighth.

  Args:
    fits: returns whether a number fits. If a number fits, so do smaller ones.
    start: the number to start from, at least 1.
    is_fitting: whether `start` fits.

  Returns:
    A number that fits; 0 if none does.
  """
  # `low` fits, or is 0; `high` does not fit, or is None if that is unknown.
  low, high = (start, None) if is_fitting else (0, start)
  while high is None and low < _LARGEST_BATCH:
    low, high = (2 * low, None) if fits(2 * low) else (low, 2 * low)
  while high is not None and not low and high > 1:
    low, high = (high // 2, high) if fits(high // 2) else (0, high // 2)
  while low and high is not None and high - low > max(1, low * _PRECISION):
    middle = (low + high) // 2
    low, high = (middle, high) if fits(middle) else (low, middle)
  return low


class Preflight:
  """Compiles the step of a job for the devices of a topology."""

  def __init__(self, job: 'ReplicaJob', compiler: Compiler):
    """Creates a preflight; compiles nothing yet."""
    self._job = job
    self._compiler = compiler

  def compile(self, rows: int) -> Cost | str:
    """Compiles the step for `rows` rows on each replica.

    Raises:
      UserError: the step has an unknown shape or an op without a kernel on
        TPUs, or does not compile for a reason other than its size.
    """
    from devices.step_program import StepProgram

    program = StepProgram(
      self._job.step, self._job.signature(rows), self._compiler.num_devices
    )
    for problem, names in (
      ('these nodes have results of unknown shape', program.unknown_shapes()),
      ('TPUs have no kernel for these ops', program.ops_without_kernel()),
    ):
      if names:
        raise UserError(f'{problem}: {", ".join(names)}')
    return self._compiler.compile(program.export())

  def largest_batch(self, rows: int, is_fitting: bool) -> int:
    """Searches for the largest global batch whose step fits.

    Args:
      rows: a number of rows on each replica to start from.
      is_fitting: whether these rows fit.
    """
    parts = self._job.num_parts

    def fits(count: int) -> bool:
      cost = self.compile(count * parts)
      is_fitting = self.is_fitting(cost)
      _print(
        f'  with {count * parts} rows on each',
        _gib(cost.hbm_bytes) if is_fitting else 'too much',
      )
      return is_fitting

    largest = largest_fitting(fits, rows // parts, is_fitting)
    return largest * parts * self._compiler.num_devices

  def is_fitting(self, cost: Cost | str) -> bool:
    """Returns whether a program compiled and fits the device's memory."""
    return isinstance(cost, Cost) and cost.hbm_bytes <= self._compiler.hbm_bytes

  def report(self, rows: int, cost: Cost | str) -> None:
    """Prints the cost of a compiled step, one `name = value` per line."""
    compiler = self._compiler
    _print('devices', f'{compiler.num_devices} x {compiler.device_kind}')
    _print('batch', f'{rows * compiler.num_devices}, {rows} rows on each')
    _print('available_hbm', _gib(compiler.hbm_bytes))
    if not isinstance(cost, Cost):
      _print('needed_hbm', 'more: ' + ' '.join(cost.split()))
      return
    _print('needed_hbm', _gib(cost.hbm_bytes))
    for field in dataclasses.fields(cost):
      if field.name.endswith('_bytes'):
        name = field.name.removesuffix('_bytes')
        _print(f'  {name}', _gib(getattr(cost, field.name)))
    # The compiler counts the body of a loop once.
    parts = self._job.num_parts
    counted_once = f', one of {parts} parts counted' if parts > 1 else ''
    _print('flops_of_a_step', f'{cost.flops:.3e} on each{counted_once}')
    if self._job.count_flops:
      counted = self._job.count_flops(rows // parts)
      _print(
        'flops_by_formula',
        f'{counted:.3e}, {100 * counted / cost.flops - 100:+.1f} %',
      )
    _print('compile_seconds', f'{cost.compile_seconds:.1f}')


def _print(name: str, value: str) -> None:
  print(f'{name} = {value}', flush=True)


def _gib(count: int) -> str:
  return f'{count / (1 << 30):.3f} GiB'


def main(_: list[str]) -> None:
  """Compiles the step, prints its cost and searches for the largest batch."""
  flag_group.require('script', 'topology')
  device_flags.check()
  dataclasses.replace(
    device_flags.options(), use_tpu=True, distribution_strategy='tpu'
  ).check()
  from tools.tpu import replica_job

  logging.set_verbosity(logging.WARNING)  # Hides the log of a run's start.
  compiler = Compiler(
    os.path.expanduser(FLAGS.preflight_python), FLAGS.topology
  )
  if FLAGS['num_tpu_cores'].present and (
    FLAGS.num_tpu_cores != compiler.num_devices
  ):
    raise UserError(
      f'--num_tpu_cores={FLAGS.num_tpu_cores}, but --topology='
      f'{FLAGS.topology} has {compiler.num_devices} devices'
    )
  job = replica_job.of_script(FLAGS.script, compiler.num_devices)
  preflight = Preflight(job, compiler)
  rows = -(-job.batch_size // compiler.num_devices)
  cost = preflight.compile(rows)
  preflight.report(rows, cost)
  is_fitting = preflight.is_fitting(cost)
  if FLAGS.search:
    print('search =', flush=True)
    largest = preflight.largest_batch(rows, is_fitting)
    _print('largest_batch', f'{largest}, to within an eighth')
  if not is_fitting:
    raise UserError(
      f'--{job.batch_flag}={job.batch_size} does not fit {FLAGS.topology}'
    )


def define_script_flags(arguments: list[str]) -> None:
  """Defines the flags of the script that --script names in `arguments`."""
  # Wrong flags are reported later, when all flags are parsed.
  with contextlib.suppress(flags.Error):
    FLAGS(arguments, known_only=True)
    if FLAGS.script:
      flags.adopt_module_key_flags(importlib.import_module(FLAGS.script))
  FLAGS.unparse_flags()


if __name__ == '__main__':
  define_flags()
  define_script_flags(sys.argv)
  script.run(main)
