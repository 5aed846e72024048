"""Tests for the benchmark of exports, on functions that take no time."""

import pytest

from benchmarks import exports


def test_each_round_labels_single_texts_and_whole_batches():
  calls = {'a': [], 'b': []}
  contenders = {
    name: lambda texts, name=name: calls[name].append(len(texts))
    for name in calls
  }
  seconds = exports.measure(contenders, ['x'] * 70, num_rounds=2)
  # The round before is not timed; the last 6 texts fill no batch.
  assert calls['a'] == calls['b'] == ([1] * 70 + [32] * 2) * 3
  assert [len(each) for each in seconds['a']] == [140, 4]


def test_the_summary_has_milliseconds_and_a_rate():
  found = exports.summary([0.001] * 99 + [0.101], [0.5, 0.25, 1.0])
  assert found['median_ms'] == 1.0
  assert found['p99_ms'] == pytest.approx(2.0)
  assert found['texts_per_second'] == 64.0


def test_the_table_has_a_line_for_each_runtime():
  each = {
    'metric': 'accuracy',
    'median_ms': 0.5,
    'p99_ms': 1.25,
    'texts_per_second': 1234.4,
    'start_seconds': 0.04,
    'bytes': 17_600_000,
    'score': 0.875,
  }
  header, _, line = exports.table({'onnx': each})
  assert header.endswith('| MB | accuracy |')
  assert line == (
    '| ONNX Runtime, `onnx` | 0.50 | 1.25 | 1,234 | 0.04 | 17.6 | 0.8750 |'
  )
