"""The output folder belongs to one command."""

import pytest
import tiny_pipeline

from pipeline import folder
from system.errors import UserError


def _options(tmp_path, **changes):
  tiny_pipeline.make_texts(tmp_path)
  return tiny_pipeline.options(tmp_path, **changes)


def test_the_same_command_may_go_on(tmp_path):
  options = _options(tmp_path)
  folder.check(options)
  folder.claim(options)
  folder.check(options)


def test_another_command_is_refused_with_both_values(tmp_path):
  folder.claim(_options(tmp_path))
  with pytest.raises(UserError, match='another `teacher_epochs`: 4.0, now 5.0'):
    folder.check(_options(tmp_path, teacher_epochs=5.0))


def test_a_changed_table_is_refused(tmp_path):
  options = _options(tmp_path)
  folder.claim(options)
  with (tmp_path / 'reviews.csv').open('a') as file:
    file.write('the plot is bad,down\n')
  with pytest.raises(UserError, match=r'another `the content of .*reviews.csv'):
    folder.check(options)


def test_a_file_that_the_command_no_longer_names_is_refused(tmp_path):
  options = _options(tmp_path, transfer_file=(f'{tmp_path}/*.txt',))
  (tmp_path / 'more.txt').write_text('a film .\n')
  folder.claim(options)
  (tmp_path / 'more.txt').unlink()
  with pytest.raises(UserError, match=r'another `the content of .*more.txt'):
    folder.check(options)


def test_settings_that_change_nothing_may_differ(tmp_path):
  folder.claim(_options(tmp_path))
  folder.check(_options(tmp_path, allow_weak_teacher=True, dry_run=True))


def test_a_folder_of_something_else_is_refused(tmp_path):
  options = _options(tmp_path)
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'run.lock').touch()
  folder.check(options)
  (tmp_path / 'out' / 'mine.txt').touch()
  with pytest.raises(UserError, match='holds files, but no pipeline.json'):
    folder.check(options)


def test_too_little_space_is_refused(tmp_path):
  folder.check_space(str(tmp_path / 'a' / 'b'), 1000)
  with pytest.raises(UserError, match='need about 1000000000.0 GB'):
    folder.check_space(str(tmp_path / 'a'), 10**18)


def test_a_remote_folder_is_refused(tmp_path):
  with pytest.raises(UserError, match='expected a folder on this machine'):
    folder.check(_options(tmp_path, output_dir='gs://bucket/out'))
