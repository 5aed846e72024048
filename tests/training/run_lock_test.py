"""The lock on a run's folder."""

import os
import re
import signal
import subprocess
import sys

import pytest

from system import files
from system.errors import UserError
from training import run_lock

# Without TensorFlow, so that it starts at once.
_OWNER = """
import fcntl, sys, time
file = open(sys.argv[1], 'w')
fcntl.flock(file, fcntl.LOCK_EX)
file.write('{"process": 7, "host": "far", "since": "noon", "token": "1"}')
file.flush()
print('locked', flush=True)
time.sleep(600)
"""


@pytest.fixture
def owner(tmp_path):
  """Another process that trains in the folder."""
  command = [sys.executable, '-c', _OWNER, str(tmp_path / 'run.lock')]
  process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
  assert process.stdout.readline() == 'locked\n'
  yield process
  process.kill()
  process.wait()


def test_a_second_run_is_refused_while_the_first_one_lives(tmp_path, owner):
  with (
    pytest.raises(
      UserError, match='is in use: process 7 on far, since noon, trains there'
    ),
    run_lock.held(str(tmp_path)),
  ):
    pass
  owner.send_signal(signal.SIGKILL)
  owner.wait()
  # The entry that it left in the file does not count any longer.
  with run_lock.held(str(tmp_path)):
    run_lock.check(str(tmp_path))


def test_a_folder_is_not_evaluated_while_a_run_trains_there(tmp_path, owner):
  with (
    pytest.raises(
      UserError, match='is in use: process 7 on far, since noon, trains there'
    ),
    run_lock.shared(str(tmp_path)),
  ):
    pass


def test_evaluations_share_a_folder_and_keep_runs_out(tmp_path):
  folder = str(tmp_path)
  with run_lock.shared(folder):
    assert not list(tmp_path.iterdir())
  with run_lock.held(folder):
    pass
  entry = (tmp_path / 'run.lock').read_text()
  with (
    run_lock.shared(folder),
    run_lock.shared(folder),
    pytest.raises(UserError, match='or another command evaluates there'),
    run_lock.held(folder),
  ):
    pass
  assert (tmp_path / 'run.lock').read_text() == entry
  with run_lock.held(folder):
    pass


def test_the_owner_is_named(tmp_path):
  folder = str(tmp_path)
  with run_lock.held(folder):
    entry = (tmp_path / 'run.lock').read_text()
    with (
      pytest.raises(UserError, match=f'process {os.getpid()} on .*another `o'),
      run_lock.held(folder),
    ):
      pass
    # The refused run changed nothing.
    assert (tmp_path / 'run.lock').read_text() == entry
    run_lock.check(folder)
  with run_lock.held(folder):
    assert (tmp_path / 'run.lock').read_text() != entry
  run_lock.check(folder)  # Not held by anybody: nothing to check.


@pytest.mark.parametrize('content', ['', 'nonsense', '[]', '{"process": 1}'])
def test_a_malformed_entry_is_described_as_another_run(content):
  assert run_lock._describe(content) == 'another run'


def test_a_folder_that_is_gone_is_named(tmp_path):
  folder = tmp_path / 'out'
  with run_lock.held(str(folder)):
    os.rename(folder, tmp_path / 'gone')
    with pytest.raises(
      UserError, match=r'out/run\.lock, .* is gone: was .*/out'
    ):
      run_lock.check(str(folder))


def test_the_lock_does_not_follow_a_link(tmp_path):
  entry = '{"process": 7}'
  (tmp_path / 'precious').write_text(entry)
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'run.lock').symlink_to(tmp_path / 'precious')
  with (
    pytest.raises(UserError, match='cannot write .*run.lock'),
    run_lock.held(str(tmp_path / 'out')),
  ):
    pass
  assert (tmp_path / 'precious').read_text() == entry


def test_a_lock_that_a_power_cut_emptied_is_taken(tmp_path):
  (tmp_path / 'run.lock').write_text('\0' * 120)
  with run_lock.held(str(tmp_path)):
    assert '"process"' in (tmp_path / 'run.lock').read_text()


@pytest.mark.parametrize('content', ['mine', '[]', '{}'])
def test_a_file_of_another_program_is_kept(tmp_path, content):
  (tmp_path / 'run.lock').write_text(content)
  message = 'run.lock is not the lock of a run.*`{}`'
  with (
    pytest.raises(UserError, match=message.format('output_dir')),
    run_lock.held(str(tmp_path)),
  ):
    pass
  with (
    pytest.raises(UserError, match=message.format('x')),
    run_lock.joined(str(tmp_path), 'x'),
  ):
    pass
  assert (tmp_path / 'run.lock').read_text() == content


def test_a_job_that_shares_a_folder_knows_whether_it_is_alone(tmp_path):
  folder = str(tmp_path)
  with run_lock.joined(folder, 'x') as is_alone:
    assert is_alone()
    with run_lock.joined(folder, 'x') as is_second_alone:
      for _ in range(2):
        assert not is_alone() and not is_second_alone()
    assert is_alone()
    # It keeps runs that train out.
    with (
      pytest.raises(UserError, match='is in use'),
      run_lock.held(folder),
    ):
      pass
  with run_lock.joined(f'ram://{tmp_path}', 'x') as is_alone:
    assert not is_alone()


def test_without_locks_the_latest_run_owns_the_folder(tmp_path, caplog):
  folder = f'ram://{tmp_path}'
  with run_lock.held(folder):
    run_lock.check(folder)
    first = dict(run_lock._owned)
    run_lock._owned.clear()  # As in another process.
    with run_lock.held(folder):
      run_lock.check(folder)
      second = files.read_text(f'{folder}/run.lock')
      assert re.search(r'has no locks\. process \d+ on', caplog.text)
    assert second != first[folder]
    run_lock._owned.update(first)
    with pytest.raises(UserError, match='process .* has taken ram://'):
      run_lock.check(folder)
