"""Runs one contestant of `training` in a separate process.

  python -m benchmarks.training_worker ours '' JOB_AS_JSON

`rounds.Worker` starts it. The worker imports the engine, builds the model, runs
one step and prints how long that took. Then it reads numbers of steps from
standard input, one per line, runs that many steps, waits until the device has
done them, and prints their time and memory. It prints lines of JSON; the output
of libraries goes to standard error.

Tested by `tests/benchmarks/training_test.py`.
"""

import argparse
import importlib
import json
import os
import resource
import sys
import time
from typing import TextIO

from benchmarks.training_jobs import BenchmarkJob


def redirect_stdout() -> TextIO:
  """Returns standard output; later prints go to standard error instead."""
  stdout = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  return stdout


def _cpu_seconds() -> float:
  used = resource.getrusage(resource.RUSAGE_SELF)
  return used.ru_utime + used.ru_stime


def _peak_megabytes() -> float:
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
  """Imports the engine and runs a step, then the steps that it reads."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('engine', help='X for the module benchmarks.engine_X')
  parser.add_argument('variant', help="the engine's variant; may be empty")
  parser.add_argument(
    'job', type=BenchmarkJob.from_json, help='a training_jobs.BenchmarkJob'
  )
  arguments = parser.parse_args()
  stdout = redirect_stdout()

  def answer(**values) -> None:
    print(json.dumps(values), file=stdout, flush=True)

  start = time.perf_counter()
  engine = importlib.import_module(f'benchmarks.engine_{arguments.engine}')
  imported, imported_megabytes = time.perf_counter(), _peak_megabytes()
  run_steps = engine.make(arguments.job, *filter(None, [arguments.variant]))
  run_steps(1)
  answer(
    import_seconds=imported - start,
    first_step_seconds=time.perf_counter() - start,
    imported_megabytes=imported_megabytes,
    start_gpu_megabytes=engine.peak_gpu_megabytes(),
  )
  for line in sys.stdin:
    round_start, cpu_start = time.perf_counter(), _cpu_seconds()
    examples = run_steps(int(line))
    answer(
      steps=int(line),
      examples=examples,
      seconds=time.perf_counter() - round_start,
      cpu_seconds=_cpu_seconds() - cpu_start,
      peak_megabytes=_peak_megabytes(),
      gpu_megabytes=engine.peak_gpu_megabytes(),
    )


if __name__ == '__main__':
  main()
