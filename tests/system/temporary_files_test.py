"""Tests of system/temporary_files.py."""

import os
import time

from system import files, temporary_files


def test_temporary_names_are_random():
  names = {temporary_files.name_for('folder/a') for _ in range(10)}
  assert len(names) == 10
  assert all(name.startswith('folder/.a.') for name in names)
  assert not any(str(os.getpid()) == name.split('.')[-2] for name in names)


def _temporary(folder, target, hours):
  """Makes a temporary file last written to so many hours ago; 0: now."""
  path = temporary_files.name_for(os.path.join(folder, target))
  files.write_text(path, 'half')
  if hours:
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))
  return os.path.basename(path)


def test_abandoned_files_are_removed_an_hour_later(tmp_path):
  folder = str(tmp_path)
  for name in ('a', '.a.tmp', '.a.123.tmp'):  # Not our names.
    files.write_text(f'{folder}/{name}', '')
    os.utime(f'{folder}/{name}', (1, 1))
  mine, other = _temporary(folder, 'a', 2), _temporary(folder, 'ab', 2)
  used = _temporary(folder, 'a', 0.9)
  left = {'a', '.a.tmp', '.a.123.tmp', used}
  temporary_files.remove_abandoned(folder, 'a')
  assert set(os.listdir(folder)) == {*left, other}
  temporary_files.remove_abandoned(folder)
  assert set(os.listdir(folder)) == left
  temporary_files.remove_abandoned(folder, is_alone=True)
  assert set(os.listdir(folder)) == left - {used}
  assert mine not in left


def test_an_abandoned_folder_is_removed_with_its_files(tmp_path):
  path = temporary_files.name_for(str(tmp_path / 'onnx'))
  files.make_folder(f'{path}/onnx')
  files.write_text(f'{path}/onnx/model.onnx', 'half')
  temporary_files.remove_abandoned(str(tmp_path))
  assert len(os.listdir(tmp_path)) == 1
  os.utime(path, (1, 1))
  temporary_files.remove_abandoned(str(tmp_path))
  assert os.listdir(tmp_path) == []


def test_without_modification_times_only_a_lone_writer_removes(tmp_path):
  folder = f'ram://{tmp_path}'
  files.make_folder(folder)
  name = _temporary(folder, 'a', 0)
  temporary_files.remove_abandoned(folder)
  assert files.list_folder(folder) == [name]
  temporary_files.remove_abandoned(folder, is_alone=True)
  assert files.list_folder(folder) == []
  temporary_files.remove_abandoned(f'{folder}/none')
