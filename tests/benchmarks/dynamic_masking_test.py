"""The command that measures the cost of drawing masks."""

import re
import subprocess
import sys

import pytest
import tiny_world


@pytest.mark.slow
def test_both_kinds_of_records_are_timed(world):
  tiny_world.make_records(world, f'{world}/static')
  tiny_world.make_records(world, f'{world}/dynamic', dynamic_masking=True)
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'benchmarks.dynamic_masking'],
      *[f'--masked={world}/static', f'--unmasked={world}/dynamic'],
      *[f'--vocab_file={world}/vocab.txt', '--batch_size=4'],
      *['--num_batches=5', '--num_rounds=2'],
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  assert [line.split(': ')[0] for line in done.stdout.splitlines()] == [
    'Records per second of wall time',
    'Records per second of CPU time',
  ]
  assert (
    len(re.findall(r'ratio \d+\.\d\d \(.* in 2 rounds\)', done.stdout)) == 2
  )
