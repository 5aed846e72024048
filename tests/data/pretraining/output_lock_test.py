"""The lock that keeps two jobs from writing the same files."""

import os

import pytest

from data.pretraining import output_lock
from data.records import file_names
from system import files, temporary_files
from system.errors import UserError


def test_another_job_is_refused_until_the_first_ends(tmp_path):
  shards = file_names.shard_names(f'{tmp_path}/a', 2)
  with output_lock.held(shards):
    with (
      pytest.raises(
        UserError, match=f'^process {os.getpid()} on .*writes these files'
      ),
      output_lock.held(file_names.shard_names(f'{tmp_path}/a', 3)),
    ):
      pass
    with output_lock.held([f'{tmp_path}/b']):  # Other files.
      pass
  with output_lock.held(shards):
    pass


def test_temporary_files_of_a_killed_job_are_removed(tmp_path):
  names = ['a', 'a.index.json', 'a.manifest.json', 'a-00001-of-00002']
  others = ['a-b', 'ab', 'a.txt', 'a-b-00001-of-00002']
  left, stays = (
    [temporary_files.name_for(f'{tmp_path}/{name}') for name in some]
    for some in (names, others)
  )
  for path in (*left, *stays, f'{tmp_path}/a'):
    files.write_text(path, 'x')
  with output_lock.held([f'{tmp_path}/a']):
    found = {f'{tmp_path}/{name}' for name in os.listdir(tmp_path)}
  assert found == {*stays, f'{tmp_path}/a', f'{tmp_path}/.a.lock'}


def test_every_file_is_locked_and_tidied(tmp_path):
  for name in ('x', 'y'):
    (tmp_path / name).mkdir()
  left = temporary_files.name_for(f'{tmp_path}/y/b')
  files.write_text(left, 'x')
  with (
    output_lock.held([f'{tmp_path}/x/a', f'{tmp_path}/y/b']),
    pytest.raises(UserError, match='y/.b.lock'),
    output_lock.held([f'{tmp_path}/y/a', f'file://{tmp_path}/y/b']),
  ):
    pass
  assert not os.path.exists(left)


def test_remote_files_have_no_locks():
  with output_lock.held(['ram://a/b']), output_lock.held(['ram://a/b']):
    pass
