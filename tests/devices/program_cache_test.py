"""Where XLA keeps its programs, and when it does not."""

import os

import pytest

from devices import program_cache


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  monkeypatch.delenv('TF_XLA_FLAGS', raising=False)
  return tmp_path


def test_programs_of_gpus_are_kept_in_the_users_cache(cache, monkeypatch):
  monkeypatch.setenv('TF_XLA_FLAGS', '--tf_xla_clustering_debug')
  program_cache.turn_on()
  assert os.environ['TF_XLA_FLAGS'].split() == [
    '--tf_xla_clustering_debug',
    f'--tf_xla_persistent_cache_directory={cache}/well_read_bert/xla',
    '--tf_xla_persistent_cache_device_types=GPU',
  ]
  assert not list(cache.iterdir())


def test_without_the_variable_the_cache_is_in_the_home(monkeypatch, tmp_path):
  monkeypatch.delenv('XDG_CACHE_HOME')
  monkeypatch.setenv('HOME', str(tmp_path))
  assert program_cache.folder() == tmp_path / '.cache/well_read_bert/xla'


def test_a_folder_of_the_users_choice_stays(monkeypatch):
  given = '--tf_xla_persistent_cache_directory='
  monkeypatch.setenv('TF_XLA_FLAGS', given)
  program_cache.turn_on()
  assert os.environ['TF_XLA_FLAGS'] == given


@pytest.mark.parametrize('path', ['/proc/cache', '/tmp/with blank'])
def test_nothing_is_kept_where_xla_could_not_write(monkeypatch, path):
  monkeypatch.setenv('XDG_CACHE_HOME', path)
  program_cache.turn_on()
  assert 'TF_XLA_FLAGS' not in os.environ


def test_nothing_is_kept_without_a_home(monkeypatch):
  monkeypatch.delenv('XDG_CACHE_HOME')
  monkeypatch.setattr(os.path, 'expanduser', lambda path: path)
  program_cache.turn_on()
  assert 'TF_XLA_FLAGS' not in os.environ


def test_nothing_is_kept_in_the_home_of_another_user(monkeypatch, tmp_path):
  real = os.stat

  def stat(path, **kwargs):
    if 'well_read_bert' in str(path):
      raise PermissionError(13, 'Permission denied')
    return real(path, **kwargs)

  monkeypatch.setattr(os, 'stat', stat)
  monkeypatch.setattr(os, 'access', lambda path, _: path != tmp_path)
  program_cache.turn_on()
  assert 'TF_XLA_FLAGS' not in os.environ


def test_nothing_is_kept_on_a_full_disk(monkeypatch):
  usage = program_cache.shutil.disk_usage('/')._replace(free=1000)
  monkeypatch.setattr(program_cache.shutil, 'disk_usage', lambda _: usage)
  program_cache.turn_on()
  assert 'TF_XLA_FLAGS' not in os.environ
