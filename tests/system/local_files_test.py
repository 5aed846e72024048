"""Atomic writes of local files."""

import os
import pathlib

import pytest

from system import file_systems, local_files
from system.errors import UserError


def test_write_creates_folders_and_replaces_files(tmp_path):
  path = tmp_path / 'a' / 'b.txt'
  local_files.write(path, 'één')
  local_files.write(path, b'two')
  assert path.read_bytes() == b'two'
  assert [p.name for p in path.parent.iterdir()] == ['b.txt']


@pytest.mark.parametrize('kind', [str, pathlib.Path])
def test_a_remote_path_is_refused(tmp_path, monkeypatch, kind):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(UserError, match='gs:/.*/a.txt: expected a local path'):
    local_files.write(kind('gs://bucket/a.txt'), 'new')
  assert not list(tmp_path.iterdir())
  local_files.write(kind('a:/b.txt'), 'new')


def test_a_failed_write_keeps_the_earlier_file(tmp_path, monkeypatch):
  path = tmp_path / 'a.txt'
  local_files.write(path, 'old')

  def fail(*_):
    raise OSError('disk full')

  monkeypatch.setattr('pathlib.Path.replace', fail)
  with pytest.raises(UserError, match='cannot write .*a.txt: disk full'):
    local_files.write(path, 'new')
  assert path.read_text() == 'old'
  assert [p.name for p in tmp_path.iterdir()] == ['a.txt']


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
  seen = []
  monkeypatch.setattr(
    file_systems, 'flush_to_disk', lambda _: seen.append(os.listdir(tmp_path))
  )
  local_files.write(tmp_path / 'a', 'text')
  [[name]] = seen
  assert name != 'a' and os.listdir(tmp_path) == ['a']
