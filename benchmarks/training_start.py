"""Measures how long run_pretraining.py takes to its 100th step.

The script runs twice. The second run finds what the first left in XLA's cache,
a fresh folder.

Tested by `tests/benchmarks/training_start_test.py`.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks import processes
from benchmarks.training_jobs import BenchmarkJob

_NUM_STEPS = 100
_INTERVAL = 0.05


def measure(job: BenchmarkJob, folder: str, seconds: float) -> dict:
  """Runs the script twice.

  Args:
    job: its records, size, batch size, precision and options.
    folder: a folder for the runs and their logs.
    seconds: the limit of each run; 0 for none.

  Returns:
    'job' and 'starts': for each run 'seconds_to_step_100', or 'failure'.
  """
  cache = os.path.join(folder, 'cache')
  shutil.rmtree(cache, ignore_errors=True)
  names = ('first', 'second')
  starts = [_start(job, f'{folder}/{name}', cache, seconds) for name in names]
  return {'job': job.title, 'starts': starts}


def table_lines(result: dict) -> list[str]:
  """Returns the lines of a job's table."""
  lines = ['', f'{result["job"]}: from the command to step {_NUM_STEPS}']
  for name, start in zip(('first', 'second'), result['starts'], strict=True):
    failure = start.get('failure')
    value = f'failed: {failure}' if failure else f'{_seconds(start):.1f} s'
    lines.append(f'{name:>8}  {value}')
  return lines


def _seconds(start: dict) -> float:
  return start['seconds_to_step_100']


def command(job: BenchmarkJob, output_dir: str) -> Sequence[str]:
  """Returns the command of a run."""
  flags = {
    'input_file': job.records,
    'bert_size': job.size,
    'vocab_file': job.vocab_file,
    'output_dir': output_dir,
    'max_seq_length': job.max_seq_length,
    'max_predictions_per_seq': job.max_predictions,
    'train_batch_size': job.batch_size,
    'precision': job.compute_dtype,
    'num_train_steps': _NUM_STEPS,
    'num_warmup_steps': _NUM_STEPS // 10,
    'log_steps': _NUM_STEPS,
    **job.options,
  }
  script = os.path.join(processes.ROOT, 'run_pretraining.py')
  given = [f'--{name}={value}' for name, value in flags.items()]
  return [sys.executable, script, '--do_train', *given]


def _has_content(path: str) -> bool:
  return os.path.exists(path) and os.path.getsize(path) > 0


def _start(
  job: BenchmarkJob, output_dir: str, cache: str, limit: float
) -> dict:
  """Runs the script until its metrics show the last step, then ends it."""
  shutil.rmtree(output_dir, ignore_errors=True)
  metrics = os.path.join(output_dir, 'metrics.jsonl')
  environment = processes.environment() | {'XDG_CACHE_HOME': cache}
  started = time.monotonic()
  log_path = f'{output_dir}.log'
  with open(log_path, 'wb') as log:
    process = subprocess.Popen(
      command(job, output_dir),
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      env=environment,
    )
  try:
    while not _has_content(metrics):
      status = process.poll()
      if status is not None and not _has_content(metrics):
        failure = processes.failure(status, log_path)
        return {'failure': failure or f'it did not train: see {log_path}'}
      if limit and time.monotonic() - started > limit:
        return {'failure': f'not there after {limit:.0f} s: see {log_path}'}
      time.sleep(_INTERVAL)
    seconds = time.monotonic() - started
    # The last compiled programs may still be on their way to the cache.
    process.wait(timeout=limit or None)
  except subprocess.TimeoutExpired:
    pass
  finally:
    process.kill()
    process.wait()
  return {'seconds_to_step_100': seconds}
