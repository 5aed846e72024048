"""One contestant of `training`, in a process of its own.

    python benchmarks/training_worker.py ENGINE VARIANT JOB

imports, builds, runs one step and tells what that took; then it runs as many
steps as each line of its input says, and tells again. It answers in lines of
JSON; whatever libraries print goes to the standard error output.
"""

import importlib
import json
import os
import resource
import sys
import time

from training_jobs import Job


def _cpu_seconds() -> float:
  used = resource.getrusage(resource.RUSAGE_SELF)
  return used.ru_utime + used.ru_stime


def _peak_megabytes() -> float:
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
  """Imports, builds, runs a step; then obeys its input."""
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)

  def answer(**values) -> None:
    print(json.dumps(values), file=answers, flush=True)

  start = time.perf_counter()
  engine = importlib.import_module(f'engine_{sys.argv[1]}')
  imported, imported_megabytes = time.perf_counter(), _peak_megabytes()
  job = Job(**json.loads(sys.argv[3]))
  run = engine.make(job, *filter(None, [sys.argv[2]]))
  run(1)
  answer(
    import_seconds=imported - start,
    first_step_seconds=time.perf_counter() - start,
    imported_megabytes=imported_megabytes,
  )
  for line in sys.stdin:
    started, cpu_started = time.perf_counter(), _cpu_seconds()
    examples = run(int(line))
    answer(
      steps=int(line),
      examples=examples,
      seconds=time.perf_counter() - started,
      cpu_seconds=_cpu_seconds() - cpu_started,
      peak_megabytes=_peak_megabytes(),
    )


if __name__ == '__main__':
  main()
