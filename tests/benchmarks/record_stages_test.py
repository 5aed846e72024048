"""The command that measures the stages of making pre-training records."""

import json
import subprocess
import sys

import pytest

from benchmarks import record_stages


def _run(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'benchmarks.record_stages', *arguments],
    capture_output=True,
    text=True,
  )


def test_stages_within_stages_count_once(monkeypatch):
  times = iter([0, 1, 3, 7, 15, 31, 63])
  monkeypatch.setattr(record_stages.time, 'process_time', lambda: next(times))
  clock = record_stages._Clock()
  split = clock.timed('splitting sentences', lambda text: text)
  assert [*clock.iterate('reading', map(split, ['a']))] == ['a']
  assert split.num_calls == 1
  spent = {name: value for name, value in clock.seconds.items() if value}
  assert spent == {
    'other Python': 1 + 16,
    'reading': 2 + 8 + 32,
    'splitting sentences': 4,
  }


@pytest.mark.parametrize(
  ('num_cores', 'expected'),
  [
    # All work by the cores.
    (1, (8.0, 30.0)),
    (2, (8.0, 15.0)),
    # Two processes survey two inputs each; one splits sentences.
    (4, (4.0, 7.5)),
    # A process an input surveys; Python's lock and its hand-overs take longest.
    (16, (2.0, 5.0)),
  ],
)
def test_the_longest_of_the_limits_is_predicted(num_cores, expected):
  seconds = dict.fromkeys(record_stages._STAGES, 0.0) | {
    'survey': 8.0,
    'reading': 1.0,
    'splitting sentences': 4.0,
    'tokenizing': 22.0,
    'writing': 2.0,
    'other Python': 1.0,
  }
  assert record_stages.predict(seconds, 3.0, num_cores, 4) == expected


def test_a_wrong_number_of_workers_is_explained(world):
  done = _run(
    '--input_file=none', f'--vocab_file={world}/vocab.txt', '--num_workers=1,x'
  )
  assert done.returncode == 1
  assert '--num_workers=1,x: expected whole numbers' in done.stderr
  assert 'Traceback' not in done.stderr


@pytest.mark.slow
def test_runs_and_stages_are_reported(world):
  done = _run(
    *['--num_workers=1', f'--vocab_file={world}/vocab.txt'],
    *[f'--input_file={world}/text.txt', f'--output_json={world}/numbers.json'],
  )
  assert done.returncode == 0, done.stderr
  assert 'reading ' in done.stdout
  numbers = json.loads((world / 'numbers.json').read_text())
  assert numbers['runs']['1']['made_records_per_second'] > 0
  assert numbers['cpu_seconds_per_million_records']['records'] > 0
