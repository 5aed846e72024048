"""Speeds and ratios of two workers, worked out by hand."""

import types

import pytest

from benchmarks import training_table
from benchmarks.training_jobs import BenchmarkJob, step_flops

_JOB = BenchmarkJob(
  'pretraining',
  '2/128',
  vocab_file='vocab.txt',
  vocab_size=1000,
  records='records',
  arrays='arrays',
  batch_size=8,
)


def _worker(title, *seconds, failure='', examples=8, gpu_megabytes=None):
  rounds = [
    {
      'steps': 2,
      'examples': 2 * examples,
      'seconds': value,
      'cpu_seconds': 2 * value,
      'others': 0.01,
      'peak_megabytes': 500.0,
      'gpu_megabytes': gpu_megabytes,
    }
    for value in seconds
  ]
  start = {'import_seconds': 1.0, 'first_step_seconds': 2.0}
  return types.SimpleNamespace(
    title=title, rounds=rounds, start=start, failure=failure
  )


# Both rounds compute two products, in 1 s and in 2 s.
_PRODUCT = _worker('product', 1.0, 2.0, examples=1)


def _rows(*workers):
  summary = training_table.summarise(_JOB, workers, _PRODUCT)
  return summary, summary['contestants']


def test_ratios_are_medians_of_the_ratios_within_rounds():
  _, (_, theirs) = _rows(_worker('ours', 1.0, 4.0), _worker('theirs', 3.0, 8.0))
  assert theirs['times_ours'] == theirs['times_our_cpu'] == 2.5
  assert (theirs['times_ours_min'], theirs['times_ours_max']) == (2.0, 3.0)
  assert theirs['step_milliseconds'] == 1e3 * (1.5 + 4.0) / 2
  assert theirs['examples_per_second'] == (16 / 3.0 + 16 / 8.0) / 2


def test_the_share_of_the_peak_is_taken_within_rounds():
  summary, (ours, theirs) = _rows(
    _worker('ours', 1.0, 4.0), _worker('theirs, stock head', 1.0, 4.0)
  )
  assert summary['peak_gigaflops'] == pytest.approx(1.5 * 2 * 2048**3 / 1e9)
  # Relative to the product: 1 / 1 in the first round, 2 / 4 in the second.
  share = 0.75 / (2 * 2048**3)
  few, all_of_them = (step_flops(_JOB, x, x) for x in (False, True))
  assert ours['share_of_peak'] == pytest.approx(share * few)
  assert theirs['share_of_peak'] == pytest.approx(share * all_of_them)


def test_the_table_shows_failures():
  summary, _ = _rows(
    _worker('ours', 1.0, 4.0), _worker('theirs', failure='status 1: no')
  )
  _, title, header, ours, theirs = training_table.lines(summary)
  assert title.startswith('pretraining 2/128, peak ')
  assert header.split()[:2] == ['ms/step', 'examples/s']
  # 0.5 and 2 s per step; 16 and 4 examples per second.
  assert ours.split()[:3] == ['ours', '1,250', '10']
  assert theirs.split() == 'theirs failed: status 1: no'.split()


def test_a_gpu_s_memory_is_shown_where_it_is_known():
  summary, (ours, _) = _rows(
    _worker('ours', 1.0, 1.0, gpu_megabytes=1234.4),
    _worker('theirs', 1.0, 1.0),
  )
  assert ours['gpu_megabytes'] == 1234.4
  _, _, header, ours, theirs = training_table.lines(summary)
  assert 'GPU MB' in header
  assert ours.split()[-3:] == ['1,234', '1.0', '2.0']
  assert theirs.split()[-3:] == ['500', '1.0', '2.0']
