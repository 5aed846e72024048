"""Workers that fail or are too slow; the rounds of real ones are in
`training_test.py`.
"""

import os
import time

import pytest

from benchmarks import rounds
from benchmarks.rounds import Worker
from system.errors import UserError

# Answers its first step and then every number of steps, each after a time.
_ANSWER = '{"steps": 1, "examples": 4, "seconds": 1.0, "cpu_seconds": 1.0}'


@pytest.fixture
def start(tmp_path, monkeypatch):
  """Starts a worker that is a shell script."""
  workers = []

  def start(script: str, title: str = 'ours') -> Worker:
    program = tmp_path / title
    program.write_text(f'#!/bin/sh\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(rounds.sys, 'executable', str(program))
    workers.append(Worker(title, [], f'{program}.log', os.environ))
    return workers[-1]

  yield start
  for worker in workers:
    worker.__exit__()


def _answers(count: str) -> str:
  return (
    f'echo \'{{"first_step_seconds": 1}}\'; for i in {count}; do '
    f"read line; echo '{_ANSWER}'; done; echo tired >&2; exit 3"
  )


def test_a_worker_without_an_answer_drops_out(start, monkeypatch):
  monkeypatch.setattr(rounds, '_GRACE_SECONDS', 0.2)
  worker = start('sleep 60')
  worker.wait_for_first_step(time.monotonic())
  assert worker.failure.startswith('no answer in time: see ')


def test_a_worker_that_ends_drops_out_and_the_others_go_on(start):
  ours = start(_answers('1 2 3 4 5 6 7 8'))
  theirs = start(_answers('1 2 3'), 'theirs')
  rounds.start([ours, theirs], at_once=True)
  assert ours.start == {'first_step_seconds': 1}
  # Two turns of warm-up each.
  rounds.alternate([ours, theirs], 3, 1.0, 0.0)
  assert (len(ours.rounds), ours.failure) == (3, '')
  assert theirs.failure == 'status 3: tired'


def test_no_round_begins_after_the_deadline(start):
  worker = start(_answers('1 2 3 4'))
  rounds.start([worker], at_once=False)
  with pytest.raises(UserError, match='time ran out before the first round'):
    rounds.alternate([worker], 3, 1.0, 0.0, deadline=time.monotonic())
