"""The output folder belongs to one command."""

import shutil

import pytest
import tiny_pipeline

from data.tasks import split_folder
from data.tasks.split_options import SplitOptions
from pipeline import folder
from system.errors import UserError


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  return tiny_pipeline.make(tmp_path_factory.mktemp('made'))


@pytest.fixture
def make_options(made, tmp_path):
  """Returns a function that makes options on texts and models of their own."""
  shutil.copytree(made, tmp_path, dirs_exist_ok=True)

  def options(**changes):
    return tiny_pipeline.options(tmp_path, **changes)

  return options


def test_the_same_command_may_go_on(make_options):
  options = make_options()
  folder.check(options)
  folder.claim(options)
  folder.check(options)


def test_another_command_is_refused_with_both_values(make_options):
  folder.claim(make_options())
  with pytest.raises(UserError, match='another `teacher_epochs`: 4.0, now 5.0'):
    folder.check(make_options(teacher_epochs=5.0))


def test_a_changed_table_is_refused(tmp_path, make_options):
  options = make_options()
  folder.claim(options)
  with (tmp_path / 'reviews.csv').open('a') as file:
    file.write('the plot is bad,down\n')
  with pytest.raises(UserError, match=r'another `the content of .*reviews.csv'):
    folder.check(options)


def test_a_label_changed_in_the_middle_of_a_large_table_is_refused(
  tmp_path, make_options
):
  table = tmp_path / 'reviews.csv'
  rows = ['review,stars', *['the film is good,up'] * 150_000]  # 3 MB.
  table.write_text('\n'.join(rows))
  folder.claim(make_options())
  rows[75_000] = 'the film is good,no'
  table.write_text('\n'.join(rows))
  with pytest.raises(UserError, match=r'another `the content of .*reviews.csv'):
    folder.check(make_options())


def test_changed_weights_are_refused(tmp_path, make_options):
  folder.claim(make_options())
  for name in ('teacher', 'encoder'):
    shutil.move(tmp_path / name, tmp_path / 'before')
    tiny_pipeline.checkpoint(tmp_path / name, initializer_range=0.5)
    with pytest.raises(UserError, match=rf'another `the content of .*{name}/'):
      folder.check(make_options())
    shutil.rmtree(tmp_path / name)
    shutil.move(tmp_path / 'before', tmp_path / name)
  folder.check(make_options())


def test_a_changed_dump_or_vocabulary_is_refused(tmp_path, make_options):
  dump, vocabulary = tmp_path / 'dump', tmp_path / 'words.txt'
  dump.mkdir()
  (dump / 'manifest.json').write_text('{}')
  vocabulary.write_text('[PAD]\n')
  given = {
    'teacher': None,
    'logits_dir': str(dump),
    'vocab_file': str(vocabulary),
  }
  folder.claim(make_options(**given))
  folder.check(make_options(**given))
  (dump / 'manifest.json').write_text('{ }')
  with pytest.raises(UserError, match=r'another `the content of .*manifest'):
    folder.check(make_options(**given))
  (dump / 'manifest.json').write_text('{}')
  vocabulary.write_text('[UNK]\n')
  with pytest.raises(UserError, match=r'another `the content of .*words.txt'):
    folder.check(make_options(**given))


def test_a_file_that_the_command_no_longer_names_is_refused(
  tmp_path, make_options
):
  options = make_options(transfer_file=(f'{tmp_path}/*.txt',))
  (tmp_path / 'more.txt').write_text('a film .\n')
  folder.claim(options)
  (tmp_path / 'more.txt').unlink()
  with pytest.raises(UserError, match=r'another `the content of .*more.txt'):
    folder.check(options)


def test_settings_that_change_nothing_may_differ(make_options):
  folder.claim(make_options())
  folder.check(
    make_options(
      allow_weak_teacher=True, dry_run=True, compare_labels_only=False
    )
  )


def test_a_folder_of_something_else_is_refused(tmp_path, make_options):
  options = make_options()
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


def test_a_remote_folder_is_refused(make_options):
  with pytest.raises(UserError, match='expected a local path'):
    folder.check(make_options(output_dir='gs://bucket/out'))


def test_a_changed_test_split_of_a_folder_is_refused(tmp_path, make_options):
  data = tmp_path / 'data'
  data.mkdir()
  for name in ('train', 'dev', 'test'):
    (data / f'{name}.tsv').write_text('sentence\tlabel\na film\tup\n')
  given = {'input_file': None, 'data_dir': str(data)}
  folder.claim(make_options(**given))
  folder.check(make_options(**given))
  (data / 'test.tsv').write_text('sentence\tlabel\n')
  with pytest.raises(UserError, match=r'another `the content of .*test.tsv'):
    folder.check(make_options(**given))


def test_changed_splits_of_the_pipeline_are_refused(tmp_path, make_options):
  options = make_options()
  folder.claim(options)
  data = tmp_path / 'out' / 'data'
  table = SplitOptions(
    options.source.input_file, text_column='review', label_column='stars'
  )
  split_folder.write(table, str(data))
  folder.check(options)
  with (data / 'test.tsv').open('a') as file:
    file.write('the plot is bad\tdown\t1\n')
  with pytest.raises(UserError, match=r'out/data/test.tsv was changed since'):
    folder.check(options)


def test_a_comma_in_the_name_of_the_folder_is_refused(make_options):
  with pytest.raises(
    UserError, match='`output_dir`=runs/a,b: .*without commas'
  ):
    folder.check(make_options(output_dir='runs/a,b'))


def test_a_damaged_record_is_named(tmp_path, make_options):
  options = make_options()
  folder.claim(options)
  for content in ('[]', '{"settings": 1}'):
    (tmp_path / 'out' / 'pipeline.json').write_text(content)
    with pytest.raises(
      UserError, match='pipeline.json is damaged: expected an'
    ):
      folder.check(options)
