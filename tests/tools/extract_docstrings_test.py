"""The quickstart's data, made from two small libraries."""

import json
import subprocess
import sys

import pytest

from system.errors import UserError
from tools import docstring_corpus, extract_docstrings, library_task
from tools.docstring_corpus import Module

SIZES = library_task.Sizes(train=20, dev=20, test=20, transfer=100)
NOUNS = 'lion tiger otter heron raven adder viper snail whale mouse'.split()
VERBS = 'eats sees hears finds meets calls likes helps joins leads'.split()


def _modules():
  return [
    Module(
      library,
      f'{library}.m{m}',
      tuple(
        f'{library}s say that the {noun} {verb} a {NOUNS[m]} {when}.'
        for noun, verb in zip(NOUNS, VERBS, strict=True)
      ),
    )
    for library, when in (('apple', 'today'), ('berry', 'tonight'))
    for m in range(10)
  ]


@pytest.fixture
def installed(monkeypatch):
  """Replaces the installed packages with two small libraries."""
  modules = _modules()
  monkeypatch.setattr(
    docstring_corpus, 'LIBRARIES', {'apple': ('apple',), 'berry': ('berry',)}
  )
  monkeypatch.setattr(
    docstring_corpus,
    'read_library',
    lambda library: (m for m in modules if m.library == library),
  )
  return modules


def _read(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_have_their_documented_format(installed, tmp_path):
  extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=1)
  texts = {name: data.decode() for name, data in _read(tmp_path).items()}
  assert sorted(texts) == [
    'dev.tsv',
    'docstrings-heldout.txt',
    'docstrings.txt',
    'labels.txt',
    'manifest.json',
    'test.tsv',
    'train.tsv',
    'transfer.txt',
  ]
  assert texts['labels.txt'] == 'apple\nberry\n'
  rows = texts['test.tsv'].splitlines()
  assert rows[0] == 'sentence\tlabel'
  assert len(rows) == 21
  assert all(row.split('\t')[1] in ('apple', 'berry') for row in rows[1:])
  # Each library has 10 modules of 10 sentences; one is test, one dev.
  assert len(texts['docstrings.txt'].strip().split('\n\n')) == 16
  assert len(texts['docstrings-heldout.txt'].strip().split('\n\n')) == 2
  assert len(texts['transfer.txt'].splitlines()) == 100


@pytest.mark.slow
def test_test_sentences_occur_in_no_other_file(installed, tmp_path):
  extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=1)
  texts = {name: data.decode() for name, data in _read(tmp_path).items()}
  own = ['docstrings.txt', 'docstrings-heldout.txt', 'train.tsv', 'dev.tsv']
  for row in texts['test.tsv'].splitlines()[1:]:
    # The task's files mask the library's name, the first word.
    sentence = row.split('\t')[0].partition(' ')[2]
    assert not any(sentence in texts[name] for name in [*own, 'transfer.txt'])


def test_pretraining_text_has_no_near_duplicate_of_the_test(installed):
  task = extract_docstrings._build_task(installed, 2, SIZES, 1)
  module = next(m for m in installed if task.module_splits[m.name] == 'test')
  copy = Module('pear', 'pear.copy', (module.sentences[0], 'All is new here.'))
  train, _ = extract_docstrings.pretraining_modules([copy], task)
  assert [m.sentences for m in train] == [('All is new here.',)]


def test_same_seed_same_bytes(installed, tmp_path):
  for name, seed in (('a', 1), ('b', 1), ('c', 2)):
    extract_docstrings.extract(str(tmp_path / name), 2, SIZES, seed)
  first, again, other = (_read(tmp_path / name) for name in 'abc')
  assert first == again
  assert first['test.tsv'] != other['test.tsv']


def test_complete_output_is_not_made_again(installed, tmp_path, monkeypatch):
  manifest = extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=1)
  monkeypatch.setattr(extract_docstrings, 'read_modules', None)
  again = extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=1)
  assert again == manifest
  with pytest.raises(TypeError):
    extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=2)


def test_incomplete_output_is_made_again(installed, tmp_path, monkeypatch):
  extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=1)
  whole = _read(tmp_path)
  with monkeypatch.context() as patch:
    patch.setattr(extract_docstrings, 'read_modules', None)
    with pytest.raises(TypeError):
      extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=2)
  extract_docstrings.extract(str(tmp_path), 2, SIZES, seed=1)
  assert _read(tmp_path) == whole


def test_too_little_text_is_reported(installed, tmp_path):
  too_many = library_task.Sizes(20, 20, 500, 100)
  with pytest.raises(
    UserError, match='too little text: apple has 100 distinct'
  ):
    extract_docstrings.extract(str(tmp_path), 2, too_many, seed=1)
  with pytest.raises(UserError, match='--num_labels=3, but only 2 libraries'):
    extract_docstrings.extract(str(tmp_path), 3, SIZES, seed=1)


def test_an_unwritable_folder_is_reported(installed, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot write .*file'):
    extract_docstrings.extract(str(tmp_path / 'file'), 2, SIZES, seed=1)


@pytest.mark.slow
def test_script_extracts_the_installed_packages(tmp_path):
  command = [sys.executable, '-m', 'tools.extract_docstrings']
  subprocess.run([*command, f'--output_dir={tmp_path}'], check=True)
  manifest = json.loads((tmp_path / 'manifest.json').read_text())
  assert sum(manifest['sentences'].values()) > 80_000
  assert manifest['splits']['test'] == 2000
  assert len((tmp_path / 'labels.txt').read_text().split()) == 8
