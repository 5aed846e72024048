"""Tells, without a TPU, whether a job fits one, and what a step takes.

  python -m tools.tpu_preflight --topology=v5e:2x2 --script=run_classifier ...

With a training script's own flags, it compiles what each replica computes in a
step, for batches of the longest bucket, with the TPU's own compiler, and looks
for the largest batch that the chip's memory holds. No weights and no records
are read, and no TPU is asked.
"""

import contextlib
import dataclasses
import importlib
import os
import sys
from collections.abc import Callable

from absl import flags, logging

from cli import flag_group, script
from system.errors import UserError
from tools import tpu_compiler
from tools.tpu_compiler import Compiler, Cost

FLAGS = flags.FLAGS

# The search ends when a batch fits and one larger by this share does not.
_PRECISION = 1 / 8
_LARGEST_BATCH = 1 << 16  # Rows a replica, beyond which nobody asks.


def define_flags() -> None:
  """Defines this tool's own flags."""
  flags.DEFINE_enum(
    'script',
    None,
    ['run_pretraining', 'run_classifier', 'run_distillation'],
    'The script whose job it is; all its flags can be given too.',
  )
  flags.DEFINE_string(
    'topology',
    None,
    'The TPU: its generation, and its chips along each axis: v5e:2x4, '
    'v6e:4x4, v5p:2x2x1, v4:2x2x2, v3:2x2.',
  )
  flags.DEFINE_bool(
    'search', True, 'Whether to look for the largest batch that fits.'
  )
  flags.DEFINE_string(
    'preflight_python',
    sys.executable,
    f'The Python that runs the compiler: one with {tpu_compiler.PACKAGES}.',
  )


def largest_fitting(
  fits: Callable[[int], bool], start: int, is_fitting: bool
) -> int:
  """Looks for the largest number that fits, to an eighth.

  Args:
    fits: tells of a number whether it does; what fits, fits in less, too.
    start: a number, at least 1.
    is_fitting: whether `start` fits.

  Returns:
    A number that fits, 0 for none.
  """
  good, bad = (start, None) if is_fitting else (0, start)
  while bad is None and good < _LARGEST_BATCH:
    good, bad = (2 * good, None) if fits(2 * good) else (good, 2 * good)
  while bad is not None and not good and bad > 1:
    good, bad = (bad // 2, bad) if fits(bad // 2) else (0, bad // 2)
  while good and bad is not None and bad - good > max(1, good * _PRECISION):
    middle = (good + bad) // 2
    good, bad = (middle, bad) if fits(middle) else (good, middle)
  return good


class Preflight:
  """A job on a topology."""

  def __init__(self, job, compiler: Compiler):
    """Takes a `replica_jobs.ReplicaJob`."""
    self._job = job
    self._compiler = compiler

  def compile(self, rows: int) -> Cost | str:
    """Compiles the step for `rows` rows on each replica.

    Raises:
      UserError: a shape in it is unknown, an op has no kernel on TPUs, or it
        does not compile for a reason other than its size.
    """
    from devices.step_program import StepProgram

    program = StepProgram(
      self._job.step, self._job.signature(rows), self._compiler.num_devices
    )
    for what, names in (
      ('these nodes have results of unknown shape', program.unknown_shapes()),
      ('TPUs have no kernel for these ops', program.ops_without_kernel()),
    ):
      if names:
        raise UserError(f'{what}: {", ".join(names)}')
    return self._compiler.compile(program.export())

  def largest_batch(self, rows: int, is_fitting: bool) -> int:
    """Looks for the largest global batch whose step fits."""
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
    """Whether a compiled program is one, and has the memory that it needs."""
    return isinstance(cost, Cost) and cost.hbm_bytes <= self._compiler.hbm_bytes

  def report(self, rows: int, cost: Cost | str) -> None:
    """Prints a line for each thing to know of a compiled step."""
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
    # The compiler counts a loop's body once.
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
  """Compiles, reports and searches, as the flags say."""
  flag_group.require('script', 'topology')
  from cli import device_flags, replica_jobs

  device_flags.check()
  logging.set_verbosity(logging.WARNING)  # How a run would start is not asked.
  compiler = Compiler(
    os.path.expanduser(FLAGS.preflight_python), FLAGS.topology
  )
  if FLAGS['num_tpu_cores'].present and (
    FLAGS.num_tpu_cores != compiler.num_devices
  ):
    raise UserError(
      f'--num_tpu_cores={FLAGS.num_tpu_cores}, but --topology='
      f'{FLAGS.topology} has {compiler.num_devices}'
    )
  job = replica_jobs.of_script(FLAGS.script, compiler.num_devices)
  preflight = Preflight(job, compiler)
  rows = -(-job.batch_size // compiler.num_devices)
  cost = preflight.compile(rows)
  preflight.report(rows, cost)
  is_fitting = preflight.is_fitting(cost)
  if FLAGS.search:
    print('search =', flush=True)
    largest = preflight.largest_batch(rows, is_fitting)
    _print('largest_batch', f'{largest}, found to an eighth')
  if not is_fitting:
    raise UserError(
      f'--{job.batch_flag}={job.batch_size} does not fit {FLAGS.topology}'
    )


def define_script_flags(arguments: list[str]) -> None:
  """Defines the flags of the script that --script names in a command line."""
  # A wrong flag is told when all are parsed.
  with contextlib.suppress(flags.Error):
    FLAGS(arguments, known_only=True)
    if FLAGS.script:
      flags.adopt_module_key_flags(importlib.import_module(FLAGS.script))
  FLAGS.unparse_flags()


if __name__ == '__main__':
  define_flags()
  define_script_flags(sys.argv)
  script.run(main)
