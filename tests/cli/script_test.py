"""What scripts print on standard output."""

import logging
import os
import subprocess
import sys

import pytest

from cli import script


def test_a_long_word_of_a_message_is_cut(capsys):
  value = 'a' * 50_000 + 'b' * 50_000
  with pytest.raises(SystemExit) as exit_:
    script.fail(f'no file {value!r}, not {"c" * 399}')
  assert exit_.value.code == 1
  assert capsys.readouterr().err == (
    f"ERROR: no file '{'a' * 299}...{'b' * 28}', (100,003 characters) not "
    f'{"c" * 399}\n'
  )


_UNAVAILABLE = """
from cli import script
from system import file_systems

def main(_):
  with file_systems.explained('read', 'a.tfrecord'):
    raise TimeoutError(110, 'timed out')

script.run(main)
"""


def test_storage_that_does_not_answer_asks_for_a_restart():
  done = subprocess.run(
    [sys.executable, '-c', _UNAVAILABLE], capture_output=True, text=True
  )
  assert done.returncode == 75
  assert done.stderr == (
    'ERROR: cannot read a.tfrecord: timed out; the same command resumes\n'
  )


@pytest.mark.parametrize('separator', ['=', None], ids=['one', 'two'])
def test_a_long_value_with_blanks_is_cut(capsys, monkeypatch, separator):
  value = "it's a\n" + 'word ' * 20_000 + 'the last words of all of it'
  flag = '--bert_size'
  arguments = [f'{flag}={value}'] if separator else [flag, value]
  monkeypatch.setattr(sys, 'argv', ['script', *arguments])
  with pytest.raises(SystemExit):
    script.fail(f'flag {flag}={value}: not {value!r}')
  start = "it's a\n" + 'word ' * 58 + 'wor'
  assert len(start) == 300
  cut = f'{start}...rd the last words of all of it (100,034 characters)'
  shown = capsys.readouterr().err
  assert shown.count('(100,034 characters)') == 2
  assert shown == f'ERROR: flag {flag}={cut}: not {cut!r}\n'


def test_a_long_message_is_cut(capsys):
  with pytest.raises(SystemExit):
    script.fail('a file has ' + 'word ' * 20_000)
  shown = capsys.readouterr().err
  assert shown.endswith('word word  (100,011 characters)\n')
  assert len(shown) < 6_100


def test_a_value_after_a_blank_is_no_flag():
  done = subprocess.run(
    [sys.executable, '-m', 'tools.report', 'True'],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert done.stderr == (
    'ERROR: these arguments are not flags: True. Write --do_train=True, with '
    'an equals sign\n'
  )


def test_the_reader_may_close_the_pipe(monkeypatch):
  reader, writer = os.pipe()
  os.close(reader)
  with os.fdopen(writer, 'w') as stream:
    monkeypatch.setattr(sys, 'stdout', stream)
    script.show(f'{i}' for i in range(100_000))


def test_the_reader_of_help_may_close_the_pipe():
  reader, writer = os.pipe()
  os.close(reader)
  done = subprocess.run(
    [sys.executable, '-m', 'tools.sweep', '--help'],
    stdout=writer,
    stderr=subprocess.PIPE,
    text=True,
  )
  os.close(writer)
  assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize(('given', 'kept'), [(None, '1'), ('0', '0')])
def test_tensorflow_uses_the_models_keras(monkeypatch, given, kept):
  monkeypatch.delenv('TF_USE_LEGACY_KERAS', raising=False)
  if given:
    monkeypatch.setenv('TF_USE_LEGACY_KERAS', given)
  script.set_environment()
  assert os.environ['TF_USE_LEGACY_KERAS'] == kept


@pytest.mark.parametrize(
  ('logger', 'level', 'module', 'is_shown'),
  [
    ('absl', logging.INFO, 'step_timer', True),
    ('absl', logging.DEBUG, 'load_report', True),
    ('absl', logging.INFO, 'functional_saver', False),
    ('absl', logging.WARNING, 'functional_saver', True),
    ('tensorflow', logging.INFO, 'any', False),
    ('matplotlib.font_manager', logging.DEBUG, 'font_manager', False),
    ('matplotlib.font_manager', logging.WARNING, 'font_manager', True),
  ],
)
def test_libraries_are_silent_below_warnings(logger, level, module, is_shown):
  record = logging.LogRecord(logger, level, f'{module}.py', 1, 'x', (), None)
  assert script._filter(record) == is_shown
