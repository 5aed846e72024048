"""Locks of this process's own open files, which exclude each other as well."""

import os

import pytest

from system import file_locks
from system.errors import UserError


def test_one_owner_at_a_time(tmp_path):
  path = str(tmp_path / 'run.lock')
  lock = file_locks.acquire(path, 'first')
  with pytest.raises(BlockingIOError):
    file_locks.acquire(path, 'second')
  with pytest.raises(BlockingIOError):
    file_locks.share(path)
  assert (tmp_path / 'run.lock').read_text() == 'first'
  lock.close()
  file_locks.acquire(path, 'new').close()
  assert (tmp_path / 'run.lock').read_text() == 'new'


def test_the_umask_decides_who_may_lock(tmp_path):
  before = os.umask(0o002)
  try:
    file_locks.acquire(str(tmp_path / 'run.lock'), 'first').close()
  finally:
    os.umask(before)
  assert (tmp_path / 'run.lock').stat().st_mode & 0o777 == 0o664


def test_a_lock_of_another_user_can_be_shared(tmp_path, monkeypatch):
  path = str(tmp_path / 'run.lock')
  file_locks.acquire(path, 'first').close()
  open_file = os.open

  def refuse_writing(name, flags, *mode):
    if flags & os.O_RDWR:
      raise PermissionError(13, 'Permission denied', name)
    return open_file(name, flags, *mode)

  monkeypatch.setattr(os, 'open', refuse_writing)
  shared = file_locks.share(path)
  assert file_locks.is_alone(shared)
  shared.close()
  with pytest.raises(UserError, match='cannot write .*Permission denied'):
    file_locks.acquire(path, 'second')


def test_a_shared_lock_keeps_owners_out_and_the_content(tmp_path):
  path = str(tmp_path / 'run.lock')
  file_locks.acquire(path, 'first').close()
  one = file_locks.share(path)
  assert file_locks.is_alone(one)
  other = file_locks.share(path)
  assert not file_locks.is_alone(one)
  assert not file_locks.is_alone(other)
  one.close()
  assert file_locks.is_alone(other)
  with pytest.raises(BlockingIOError):
    file_locks.acquire(path, 'second')
  other.close()
  assert (tmp_path / 'run.lock').read_text() == 'first'


def test_sharing_waits_for_a_job_that_looks_whether_it_is_alone(
  tmp_path, monkeypatch
):
  path = str(tmp_path / 'run.lock')
  held = file_locks.acquire(path, 'looks')
  monkeypatch.setattr(file_locks.time, 'sleep', lambda _: held.close())
  file_locks.share(path).close()
  assert held.closed


def test_a_local_path_may_be_a_uri(tmp_path):
  with (
    file_locks.acquire(f'file://{tmp_path}/run.lock', 'first'),
    pytest.raises(BlockingIOError),
  ):
    file_locks.share(str(tmp_path / 'run.lock'))


def test_remote_paths_have_no_lock():
  assert file_locks.acquire('gs://bucket/run.lock', 'first') is None
  assert file_locks.share('gs://bucket/run.lock') is None


def test_a_symbolic_link_is_refused(tmp_path):
  (tmp_path / 'elsewhere').write_text('kept')
  (tmp_path / 'run.lock').symlink_to(tmp_path / 'elsewhere')
  with pytest.raises(UserError, match='run.lock'):
    file_locks.acquire(str(tmp_path / 'run.lock'), 'first')
  assert (tmp_path / 'elsewhere').read_text() == 'kept'
