"""The results of `training`: speeds, ratios and shares of the peak."""

import statistics
from collections.abc import Sequence

from benchmarks.rounds import Worker
from benchmarks.training_jobs import BenchmarkJob, step_flops

_TITLE_WIDTH = 28


def summarise(
  job: BenchmarkJob, workers: Sequence[Worker], product: Worker
) -> dict:
  """Summarises the rounds of a job as JSON values.

  Args:
    job: the job.
    workers: the contestants; the others are compared with the first.
    product: the worker that measured the machine's peak in the same rounds.
  """
  peaks = [_gigaflops(job.product_flops, r) for r in product.rounds]
  rows = [_row(job, worker, workers[0], peaks) for worker in workers]
  peak = statistics.median(peaks)
  return {'job': job.title, 'peak_gigaflops': peak, 'contestants': rows}


def _row(
  job: BenchmarkJob, worker: Worker, ours: Worker, peaks: list[float]
) -> dict:
  if worker.failure:
    return {'title': worker.title, 'failure': worker.failure}
  pairs = list(zip(ours.rounds, worker.rounds, strict=True))
  seconds, cpu = (
    [
      _per_example(name, theirs) / _per_example(name, our)
      for our, theirs in pairs
    ]
    for name in ('seconds', 'cpu_seconds')
  )
  row = {
    'title': worker.title,
    'step_milliseconds': 1e3 * _median_per_step('seconds', worker),
    'examples_per_second': statistics.median(
      r['examples'] / r['seconds'] for r in worker.rounds
    ),
    'cpu_milliseconds': 1e3 * _median_per_step('cpu_seconds', worker),
    'times_ours': statistics.median(seconds),
    'times_ours_min': min(seconds),
    'times_ours_max': max(seconds),
    'times_our_cpu': statistics.median(cpu),
    'others': statistics.median(r['others'] for r in worker.rounds),
    'peak_megabytes': worker.rounds[-1]['peak_megabytes'],
    'gpu_megabytes': _peak_gpu_megabytes(worker),
    **worker.start,
    'rounds': worker.rounds,
  }
  if job.kind == 'pretraining':
    flops = step_flops(job, worker is not ours, 'stock' in worker.title)
    row['share_of_peak'] = statistics.median(
      _gigaflops(flops, r) / peak
      for r, peak in zip(worker.rounds, peaks, strict=True)
    )
  return row


def _peak_gpu_megabytes(worker: Worker) -> float | None:
  """Returns the peak of the rounds; None without a GPU."""
  return max(
    (r['gpu_megabytes'] for r in worker.rounds if r['gpu_megabytes']),
    default=None,
  )


def _per_example(name: str, measured: dict) -> float:
  return measured[name] / measured['examples']


def _median_per_step(name: str, worker: Worker) -> float:
  return statistics.median(r[name] / r['steps'] for r in worker.rounds)


def _gigaflops(step_flops: float, measured: dict) -> float:
  return step_flops * measured['steps'] / measured['seconds'] / 1e9


_COLUMNS = {
  'ms/step': ('step_milliseconds', '{:,.4g}'),
  'examples/s': ('examples_per_second', '{:,.0f}'),
  'CPU ms': ('cpu_milliseconds', '{:,.4g}'),
  'of peak': ('share_of_peak', '{:.0%}'),
  'time': ('times_ours', '{:.2f} x'),
  'CPU time': ('times_our_cpu', '{:.2f} x'),
  'others': ('others', '{:.0%}'),
  'peak MB': ('peak_megabytes', '{:,.0f}'),
  'GPU MB': ('gpu_megabytes', '{:,.0f}'),
  'import s': ('import_seconds', '{:.1f}'),
  '1st step s': ('first_step_seconds', '{:.1f}'),
}


def lines(summary: dict) -> list[str]:
  """Returns the lines of a job's table."""
  header = ''.join(f'{title:>11}' for title in _COLUMNS)
  title = f'{summary["job"]}, peak {summary["peak_gigaflops"]:.0f} GFLOP/s'
  return ['', title, ' ' * _TITLE_WIDTH + header] + [
    f'{row["title"]:{_TITLE_WIDTH}}' + _cells(row)
    for row in summary['contestants']
  ]


def _cells(row: dict) -> str:
  if 'failure' in row:
    return f'  failed: {row["failure"]}'
  cells = (
    '' if row.get(name) is None else template.format(row[name])
    for name, template in _COLUMNS.values()
  )
  return ''.join(f'{cell:>11}' for cell in cells)
