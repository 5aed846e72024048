"""Tests of system/files.py and system/file_systems.py, local and remote."""

import errno
import os
import time
import zlib

import pytest
import tensorflow as tf

from system import file_systems, files, text_files
from system.errors import Unavailable, UserError


@pytest.fixture(params=['local', 'ram'])
def folder(request, tmp_path):
  """A new folder on disk, and one in TensorFlow's memory."""
  if request.param == 'local':
    return str(tmp_path)
  path = f'ram://{tmp_path}'
  files.make_folder(path)
  return path


def test_what_is_written_is_read_and_no_other_file_appears(folder):
  files.write_text(f'{folder}/a.txt', 'ünï\n')
  files.write_json(f'{folder}/b.json', {'z': 1, 'a': [2]})
  assert files.read_text(f'{folder}/a.txt') == 'ünï\n'
  assert files.read_text(f'{folder}/b.json').startswith('{\n  "a": [')
  assert files.read_json(f'{folder}/b.json') == {'a': [2], 'z': 1}
  assert files.list_folder(folder) == ['a.txt', 'b.json']
  assert files.size(f'{folder}/a.txt') == 6


def test_json_has_null_for_what_is_undefined(folder):
  value = {'auc': float('nan'), 'scores': [0.5, float('inf')], 'seed': (1, 2)}
  files.write_json(f'{folder}/a.json', value)
  expected = {'auc': None, 'scores': [0.5, None], 'seed': [1, 2]}
  assert files.read_json(f'{folder}/a.json') == expected


def test_an_exception_leaves_the_earlier_file_and_no_other(folder):
  files.write_text(f'{folder}/a', 'earlier')
  with pytest.raises(ZeroDivisionError), files.open_write(f'{folder}/a') as f:
    f.write('half of it')
    raise ZeroDivisionError
  assert files.read_text(f'{folder}/a') == 'earlier'
  assert files.list_folder(folder) == ['a']


def test_a_file_appears_when_it_is_complete(folder):
  with files.open_write(f'{folder}/a') as file:
    file.write('x')
    assert not files.exists(f'{folder}/a')
  assert files.exists(f'{folder}/a')


def test_a_file_has_one_real_path(tmp_path, monkeypatch):
  (tmp_path / 'link').symlink_to(tmp_path / 'a')
  monkeypatch.chdir(tmp_path)
  for name in ('a', './a', 'b/..//a', 'link', f'file://{tmp_path}/a'):
    assert files.real_path(name) == str(tmp_path.resolve() / 'a')
  assert files.real_path('gs://b//a') == 'gs://b//a'


def test_comma_lists_and_globs_expand_in_their_order(folder):
  for name in ('b-2', 'b-1', 'a'):
    files.write_text(f'{folder}/{name}', name)
  found = files.expand(f'{folder}/b-*,{folder}/a,{folder}/b-1')
  assert [path.rpartition('/')[2] for path in found] == ['b-1', 'b-2', 'a']
  assert files.expand('') == []
  with pytest.raises(UserError, match="no file matches '.*none"):
    files.expand(f'{folder}/a,{folder}/none*')


def test_a_file_in_two_spellings_is_found_once(tmp_path):
  (tmp_path / 'a').write_text('a')
  (tmp_path / 'b').symlink_to(tmp_path / 'a')
  first = f'{tmp_path}/./a'
  assert files.expand(f'{first},{tmp_path}/a,{tmp_path}/*') == [first]


def test_a_name_that_looks_like_a_glob_is_found(tmp_path):
  (tmp_path / 'a[1]').write_text('a')
  (tmp_path / '.a.tmp').write_text('half')
  assert files.expand(f'{tmp_path}/a[1]') == [f'{tmp_path}/a[1]']
  assert files.expand(f'file://{tmp_path}/*') == [f'{tmp_path}/a[1]']


def test_reading_a_missing_file_names_it(folder):
  with pytest.raises(UserError, match='cannot read .*none'):
    files.read_text(f'{folder}/none')
  with pytest.raises(UserError, match='cannot read .*none'):
    files.open_stream(f'{folder}/none')


def test_required_files_are_described(tmp_path):
  with pytest.raises(UserError, match='^`vocab_file` must be given'):
    files.require_file('', '`vocab_file`')
  with pytest.raises(UserError, match="`vocab_file`: there is no file '/none'"):
    files.require_file('/none', '`vocab_file`')
  with pytest.raises(UserError, match='is a folder, not a file'):
    files.require_file(str(tmp_path), '`vocab_file`')


def test_the_reason_is_shown_if_a_name_exists_but_cannot_be_read(tmp_path):
  loop, dangling = tmp_path / 'loop', tmp_path / 'dangling'
  loop.symlink_to(loop)
  dangling.symlink_to('gone')
  for path, reason in (
    (loop, 'Too many levels of symbolic links'),
    (dangling, "it is a symbolic link to 'gone'"),
    (tmp_path / ('a' * 300), 'File name too long'),
  ):
    with pytest.raises(UserError, match=f'there is no file .*: {reason}$'):
      files.require_file(str(path), '`vocab_file`')


def test_a_device_is_not_read():
  with pytest.raises(UserError, match='^cannot read /dev/zero: it is a device'):
    files.read_text('/dev/zero')
  with pytest.raises(UserError, match='/dev/zero: it is a device, not a file'):
    next(text_files.read_lines('/dev/zero'))
  with pytest.raises(UserError, match="^x: '/dev/zero' is a device, not a fil"):
    files.require_file('/dev/zero', 'x')


def test_a_pipe_is_not_read(tmp_path):
  path = str(tmp_path / 'pipe')
  os.mkfifo(path)  # Opening it would wait for ever.
  link = str(tmp_path / 'link')
  os.symlink(path, link)
  for name in (path, link):
    with pytest.raises(UserError, match=f'^cannot read {name}: it is a pipe; '):
      files.read_json(name)
    with pytest.raises(UserError, match='it is a pipe; expected a file, which'):
      next(text_files.read_lines(name))
    with pytest.raises(UserError, match=f"^x: '{name}' is a pipe; expected a"):
      files.require_file(name, 'x')


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path):
  (tmp_path / 'a\udcff').write_text('')
  with pytest.raises(UserError, match=r"/a\\udcff' is not UTF-8"):
    files.expand(f'{tmp_path}/*')


def test_text_that_is_not_utf8_and_malformed_json_are_named(tmp_path):
  (tmp_path / 'a').write_bytes(b'\xff\xfe')
  with pytest.raises(UserError, match='cannot read .*/a: .*utf-8'):
    files.read_text(str(tmp_path / 'a'))
  (tmp_path / 'b').write_text('{"a": ')
  with pytest.raises(UserError, match='/b is not valid JSON'):
    files.read_json(str(tmp_path / 'b'))


def test_an_unwritable_folder_is_named(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot write to .*/file/folder'):
    files.make_folder(str(tmp_path / 'file' / 'folder'))


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
  seen = []
  monkeypatch.setattr(
    files.os, 'fsync', lambda _: seen.append(os.listdir(tmp_path))
  )
  files.write_text(str(tmp_path / 'a'), 'text')
  [[name]] = seen
  assert name != 'a' and os.listdir(tmp_path) == ['a']


@pytest.mark.parametrize('number', [errno.ENOTSUP, errno.EIO])
def test_only_a_disk_error_stops_the_flush(tmp_path, monkeypatch, number):
  def fail(descriptor):
    raise OSError(number, os.strerror(number))

  monkeypatch.setattr(files.os, 'fsync', fail)
  if number == errno.ENOTSUP:
    files.write_text(str(tmp_path / 'a'), 'text')
    return
  with pytest.raises(UserError, match='cannot write .*/a: Input/output error'):
    files.write_text(str(tmp_path / 'a'), 'text')
  assert os.listdir(tmp_path) == []


def test_names_with_a_prefix_are_found_and_removed(folder):
  for name in ('a-1', 'a-2', 'b'):
    files.write_text(f'{folder}/{name}', name)
  assert files.exists_with_prefix(f'{folder}/a-')
  files.remove_with_prefix(f'{folder}/a')
  assert files.list_folder(folder) == ['b']
  assert not files.exists_with_prefix(f'{folder}/a-')
  files.remove_with_prefix(f'{folder}/none/a')


def test_the_time_of_writing(folder):
  before = time.time()
  files.write_text(f'{folder}/a', 'text')
  written = files.modified(f'{folder}/a')
  # Some file systems round to two seconds; TensorFlow's memory has no times.
  assert before - 2 <= written <= time.time() + 2 or written == 0.0
  with pytest.raises(UserError, match='cannot read .*none'):
    files.modified(f'{folder}/none')


def test_the_crc_of_ends_ignores_the_middle(folder, monkeypatch):
  monkeypatch.setattr(files, '_END_BYTES', 4)
  for name, text in (
    ('a', 'headAtail'),
    ('b', 'headBtail'),
    ('c', 'bodyAtail'),
  ):
    files.write_text(f'{folder}/{name}', text)
  first, second, third = (files.crc_of_ends(f'{folder}/{x}') for x in 'abc')
  assert first == second == f'{zlib.crc32(b"headtail"):08x}' != third


def test_a_path_that_leads_to_nothing_does_not_exist(folder):
  files.write_text(f'{folder}/a', 'text')
  assert files.exists(f'{folder}/a') and not files.is_folder(f'{folder}/a')
  assert files.exists(folder) and files.is_folder(folder)
  for path in (f'{folder}/none', f'{folder}/a/b', f'{folder}/none/b'):
    assert not files.exists(path) and not files.is_folder(path)


def test_odd_local_names_do_not_exist(tmp_path):
  (tmp_path / 'loop').symlink_to(tmp_path / 'loop')
  for name in ('loop', 'x' * 300, 'a\0b'):
    path = str(tmp_path / name)
    assert not files.exists(path) and not files.is_folder(path)


@pytest.mark.parametrize('find', [files.exists, files.is_folder])
def test_storage_that_does_not_answer_is_not_a_missing_file(
  find, tmp_path, monkeypatch
):
  def fail(path):
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

  monkeypatch.setattr(files.os, 'stat', fail)
  with pytest.raises(Unavailable, match=f'cannot look for {tmp_path}: Stale'):
    find(str(tmp_path))


def test_a_bucket_that_does_not_answer_is_not_a_missing_folder(monkeypatch):
  def fail(path):
    raise tf.errors.UnavailableError(None, None, 'try later')

  # What `isdir` makes of the same error.
  monkeypatch.setattr(tf.io.gfile, 'isdir', lambda path: False)
  monkeypatch.setattr(tf.io.gfile, 'exists', fail)
  with pytest.raises(Unavailable, match='cannot look for ram://a: try later'):
    files.is_folder('ram://a')


def test_remote_files_may_have_another_library(monkeypatch):
  class Library:
    def exists(self, path):
      return path == 'gs://b/a'

  monkeypatch.setattr(file_systems, '_remote', None)
  file_systems.use_for_remote(Library())
  assert files.exists('gs://b/a') and not files.exists('gs://b/c')
  assert file_systems.gfile_for('/local') is tf.io.gfile
