"""Lists of steps: failed ones are named, stopped lists resume."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from system import step_runner
from system.errors import Unavailable, UserError
from system.steps import Step
from system.threads import num_cores

_TOUCH = 'import pathlib, sys; pathlib.Path(sys.argv[1]).touch()'


def _step(folder, name, *needs, code=_TOUCH, **changes):
  done = str(folder / name)
  return Step(name, ('-c', code, done), done, needs, **changes)


def _run(folder, *wanted, **options):
  step_runner.run(wanted, str(folder / 'logs'), **options)


def test_needs_run_first_and_once(tmp_path, capfd):
  first = _step(tmp_path, 'first')
  _run(
    tmp_path, _step(tmp_path, 'a', first), _step(tmp_path, 'b', first), first
  )
  begun = [
    line.split()[2]
    for line in capfd.readouterr().out.splitlines()
    if line.endswith('begins')
  ]
  assert begun == ['first', 'a', 'b']


@pytest.mark.slow
def test_lists_share_steps_and_make_each_once(tmp_path, capfd):
  # Each run of a command adds a line to a file.
  code = (
    'import pathlib, sys, time\n'
    'own = pathlib.Path(sys.argv[1])\n'
    'with own.with_name("made").open("a") as f: print(own.name, file=f)\n'
    'time.sleep(0.5); own.touch()'
  )
  shared = _step(tmp_path, 'shared', code=code)
  lists = [
    threading.Thread(
      target=_run,
      args=(tmp_path, _step(tmp_path, x, shared, code=code), shared),
    )
    for x in 'ab'
  ]
  for thread in lists:
    thread.start()
  for thread in lists:
    thread.join()
  assert sorted((tmp_path / 'made').read_text().split()) == ['a', 'b', 'shared']
  said = capfd.readouterr().out
  assert said.count('shared is being made by another list') == 1


def test_a_step_that_another_list_failed_to_make_is_made(tmp_path):
  step = _step(tmp_path, 'x')
  with step_runner.unless_running(step, str(tmp_path / 'logs')) as is_free:
    assert is_free
    thread = threading.Thread(target=_run, args=(tmp_path, step))
    thread.start()
    time.sleep(1)
    assert not (tmp_path / 'x').exists()
    with step_runner.unless_running(step, str(tmp_path / 'logs')) as is_free:
      assert not is_free
  thread.join()
  assert (tmp_path / 'x').exists()


def test_a_failure_is_named_and_stops_only_what_needs_it(tmp_path):
  bad = _step(tmp_path, 'bad', code='raise SystemExit("no such thing")')
  after = _step(tmp_path, 'after', bad)
  with pytest.raises(
    UserError, match=r'bad ended with status 1; its log is .*'
  ):
    _run(tmp_path, after, _step(tmp_path, 'other'))
  assert (tmp_path / 'other').exists() and not (tmp_path / 'after').exists()
  assert 'no such thing' in (tmp_path / 'logs' / 'bad.log').read_text()


def test_a_command_that_makes_nothing_failed(tmp_path):
  with pytest.raises(UserError, match='made no '):
    _run(tmp_path, _step(tmp_path, 'x', code='pass'))


def test_shown_steps_are_numbered_and_print_what_they_write(tmp_path, capsys):
  (tmp_path / 'first').touch()
  code = f'print("a line"); {_TOUCH}'
  later = [_step(tmp_path, x, code=code, title=f'makes {x}') for x in 'ab']
  _run(tmp_path, _step(tmp_path, 'first'), *later, shows_output=True)
  lines = capsys.readouterr().out.splitlines()
  # Each begins with the time.
  assert [
    line[9:].rstrip('0123456789') for line in lines if line[0] != ' '
  ] == [
    *('stage 2 of 3, a: makes a', 'a took 00:'),
    *('stage 3 of 3, b: makes b', 'b took 00:'),
  ]
  assert [line for line in lines if line[0] == ' '] == ['    a line'] * 2


def test_shown_steps_end_with_the_first_failure(tmp_path, capsys):
  code = 'raise SystemExit("no such thing")'
  with pytest.raises(UserError, match=r'bad ended with status 1; its log is'):
    _run(
      tmp_path,
      _step(tmp_path, 'bad', code=code),
      _step(tmp_path, 'other'),
      shows_output=True,
    )
  assert not (tmp_path / 'other').exists()
  # It is shown once.
  assert capsys.readouterr().out.count('no such thing') == 1


def test_jobs_run_side_by_side_and_share_the_cores(tmp_path, monkeypatch):
  monkeypatch.delenv('TF_NUM_INTRAOP_THREADS', raising=False)
  # Each waits for the other's file.
  code = (
    'import os, pathlib, sys, time\n'
    'own = pathlib.Path(sys.argv[1]); own.touch()\n'
    'other = own.with_name({"a": "b", "b": "a"}[own.name])\n'
    'while not other.exists(): time.sleep(0.01)\n'
    'print(os.environ["TF_NUM_INTRAOP_THREADS"])'
  )
  _run(
    tmp_path,
    *(_step(tmp_path, name, code=code) for name in 'ab'),
    num_jobs=2,
  )
  logs = [(tmp_path / 'logs' / f'{x}.log').read_text() for x in 'ab']
  share = str(max(num_cores() // 2, 1))
  assert [log.splitlines()[-1] for log in logs] == [share, share]


def test_a_step_that_all_others_wait_for_has_all_cores(tmp_path, monkeypatch):
  monkeypatch.delenv('TF_NUM_INTRAOP_THREADS', raising=False)
  code = f'{_TOUCH}; import os; print(os.environ.get("TF_NUM_INTRAOP_THREADS"))'
  first = _step(tmp_path, 'first', code=code)
  later = [_step(tmp_path, name, first, code=code) for name in 'ab']
  _run(tmp_path, *later, num_jobs=2)
  logs = [(tmp_path / 'logs' / f'{x}.log').read_text() for x in ('first', 'a')]
  assert logs[0].endswith('None\n') and logs[1].strip()[-1].isdigit()


def test_finish_gets_the_seconds_of_all_tries(tmp_path):
  found = []

  def finish(seconds):
    found.append(seconds)
    (tmp_path / 'x').touch()

  (tmp_path / 'logs').mkdir()
  (tmp_path / 'logs' / 'x.seconds.json').write_text('100.0')
  _run(tmp_path, _step(tmp_path, 'x', code='pass', finish=finish))
  assert 100 < found[0] < 110
  # Should the step be made again, its time begins at zero.
  assert not (tmp_path / 'logs' / 'x.seconds.json').exists()


def test_a_try_that_was_killed_makes_the_time_unknown(tmp_path, capfd):
  seen = 'import os, sys; print(open(sys.argv[1].replace("x", "logs/x") '
  seen += '+ ".seconds.json").read())'
  found = []

  def finish(seconds):
    found.append(seconds)
    (tmp_path / 'x').touch()

  _run(tmp_path, _step(tmp_path, 'x', code=seen, finish=finish))
  # What a kill of the list and the command would have left.
  assert (tmp_path / 'logs' / 'x.log').read_text().endswith('null\n')
  (tmp_path / 'x').unlink()
  # A power cut may leave an empty file.
  for left in ('null', ''):
    (tmp_path / 'logs' / 'x.seconds.json').write_text(left)
    _run(tmp_path, _step(tmp_path, 'x', code='pass', finish=finish))
    (tmp_path / 'x').unlink()
  assert found[0] > 0 and found[1:] == [None, None]
  assert 'x is done' in capfd.readouterr().out


def test_a_result_that_cannot_be_read_fails_its_step_alone(tmp_path):
  def finish(_):
    raise UserError('there is no eval_results.txt')

  bad = _step(tmp_path, 'bad', code='pass', finish=finish)
  with pytest.raises(UserError, match='bad has no result: there is no eval'):
    _run(tmp_path, bad, _step(tmp_path, 'other'))
  assert (tmp_path / 'other').exists()


def test_a_signal_stops_the_command_and_the_list(tmp_path):
  ending = (
    'import signal, sys, time, pathlib\n'
    'signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n'
    'pathlib.Path(sys.argv[1] + ".begun").touch()\n'
    'time.sleep(60)'
  )
  script = f"""
from cli import script
from system import step_runner
from system.steps import Step
def step(name, code):
  done = {str(tmp_path)!r} + '/' + name
  return Step(name, ('-c', code, done), done)
script.run(lambda _: step_runner.run(
  [step('x', {ending!r}), step('y', {_TOUCH!r})], {str(tmp_path / 'logs')!r}))
"""
  process = subprocess.Popen([sys.executable, '-c', script])
  deadline = time.monotonic() + 60
  while not (tmp_path / 'x.begun').exists():
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.05)
  process.send_signal(signal.SIGTERM)
  assert process.wait(timeout=30) == 75
  assert not (tmp_path / 'y').exists()


def test_one_that_stops_by_itself_leaves_the_others_their_work(tmp_path):
  # `a` stops once `b` has begun; `b` ends after the list has seen that, and so
  # has freed the lock of `a`.
  stops = (
    'import pathlib, sys, time\n'
    'begun = pathlib.Path(sys.argv[1]).with_name("begun")\n'
    'while not begun.exists(): time.sleep(0.01)\n'
    'sys.exit(75)'
  )
  works = (
    'import fcntl, pathlib, sys\n'
    'own = pathlib.Path(sys.argv[1]); own.with_name("begun").touch()\n'
    'with open(own.with_name("logs") / "a.lock") as lock:\n'
    '  fcntl.flock(lock, fcntl.LOCK_EX)\n'
    'own.touch()'
  )
  with pytest.raises(Unavailable, match='^a was stopped$'):
    _run(
      tmp_path,
      _step(tmp_path, 'a', code=stops),
      _step(tmp_path, 'b', code=works),
      _step(tmp_path, 'c'),
      num_jobs=2,
    )
  assert (tmp_path / 'b').exists() and not (tmp_path / 'c').exists()
  assert not (tmp_path / 'logs' / 'b.seconds.json').exists()


def test_a_list_stops_its_commands_after_one_has_stopped_by_itself(tmp_path):
  sleeps = 'import time; time.sleep(60)'
  runner = step_runner.Runner(
    [
      _step(tmp_path, 'a', code='raise SystemExit(75)'),
      _step(tmp_path, 'b', code=sleeps),
    ],
    str(tmp_path / 'logs'),
    2,
  )
  threading.Timer(2, runner.stop).start()
  begin = time.monotonic()
  with pytest.raises(
    Unavailable, match='(a was stopped; b|b was stopped; a) was stopped'
  ):
    runner.run()
  assert time.monotonic() - begin < 30
