"""run_pipeline.py as a process: plan, refusals, a whole run, kills."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tiny_pipeline

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Enough for the tiny teacher to learn which words are good.
_LEARNS = {'teacher_epochs': 40.0, 'teacher_learning_rate': 0.02}


def _start(folder, **changes) -> subprocess.Popen:
  words = tiny_pipeline.words(folder, **{**_LEARNS, **changes})
  return subprocess.Popen(
    [sys.executable, 'run_pipeline.py', *words],
    cwd=_ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def _run(folder, **changes) -> tuple[int, str]:
  process = _start(folder, **changes)
  output, _ = process.communicate(timeout=1800)
  return process.returncode, output


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path):
  tiny_pipeline.make(tmp_path)
  status, output = _run(tmp_path, dry_run=True)
  assert status == 0
  assert '  python run_distillation.py --task_name=custom ' in output
  assert '  teacher_epochs 40: given' in output
  assert '10 of 10 stages are left: ' in output
  assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_mistakes_are_named_by_their_flags(tmp_path):
  tiny_pipeline.make_texts(tmp_path)
  for changes, message in [
    ({'output_dir': None}, '--output_dir must be given'),
    ({'teacher': None}, 'at least one of --teacher and --logits_dir must be'),
    ({'teacher': tmp_path / 'none'}, '--teacher: there is no checkpoint'),
    (
      {'input_file': None, 'data_dir': tmp_path, 'dev_fraction': 0.2},
      '--dev_fraction cannot take effect: --data_dir has its splits',
    ),
    (
      {'compare_labels_only': False},
      '--labels_epochs cannot take effect: --compare_labels_only is not given',
    ),
  ]:
    status, output = _run(tmp_path, **changes)
    assert status == 1 and message in output
    assert 'Traceback' not in output


def _wait_for(path: pathlib.Path, process: subprocess.Popen) -> None:
  deadline = time.monotonic() + 600
  while not path.exists():
    assert process.poll() is None, process.communicate()[0]
    assert time.monotonic() < deadline
    time.sleep(0.1)


def _children(process: subprocess.Popen) -> list[int]:
  path = pathlib.Path(f'/proc/{process.pid}/task')
  found = []
  for task in path.iterdir():
    found += map(int, (task / 'children').read_text().split())
  return found


@pytest.mark.slow
def test_a_killed_pipeline_goes_on_and_ends_with_a_table(tmp_path):
  tiny_pipeline.make(tmp_path)
  out = tmp_path / 'out'
  # SIGTERM while the teacher starts: a restart is asked for.
  process = _start(tmp_path)
  _wait_for(out / 'logs' / 'teacher.log', process)
  process.send_signal(signal.SIGTERM)
  output, _ = process.communicate(timeout=600)
  assert process.returncode == 75
  assert 'the same command resumes from there' in output
  # SIGKILL while the dump is made: its command ends, too.
  process = _start(tmp_path)
  _wait_for(out / 'logs' / 'dump.log', process)
  while not (children := _children(process)):
    assert process.poll() is None
    time.sleep(0.01)
  process.kill()
  process.communicate(timeout=600)
  deadline = time.monotonic() + 60
  while any(os.path.exists(f'/proc/{child}') for child in children):
    assert time.monotonic() < deadline
    time.sleep(0.1)
  status, output = _run(tmp_path)
  assert status == 0, output
  assert 'splits the table: train 128, dev 16, test 16 (done)' in output
  table = output[output.index('Scores on test') :].splitlines()
  assert [line.split('  ')[1] for line in table[2:6]] == [
    *('bag of words', 'student on labels only', 'student, distilled'),
    'teacher',
  ]
  assert f'tools.predict --model_dir={out}/student < FILE' in output
  assert (out / 'report' / 'index.html').exists()
  # Another command is refused; the same one has nothing left to do.
  status, output = _run(tmp_path, seed=7)
  assert status == 1 and 'another --seed: 12345, now 7' in output
  status, output = _run(tmp_path)
  assert status == 0 and 'All stages are done.' in output
