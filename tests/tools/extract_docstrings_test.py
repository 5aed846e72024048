"""The quickstart's data, made from two small libraries."""

import json
import subprocess
import sys

import pytest

from system.errors import UserError
from tools import extract_docstrings
from tools.docstrings import docstring_corpus, word_order_task
from tools.docstrings.docstring_corpus import Module

SIZES = word_order_task.Sizes(train=16, dev=16, test=16, transfer=48)
NOUNS = 'lion tiger otter heron raven adder viper snail whale mouse'.split()
VERBS = 'eats sees hears finds meets calls likes helps'.split()


def _modules():
  return [
    Module(
      library,
      f'{library}.{noun}',
      tuple(
        f'The {noun} of {library} {verb} {noun} and no other.' for verb in VERBS
      ),
    )
    for library in ('apple', 'berry')
    for noun in NOUNS
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
  manifest = extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  texts = {name: data.decode() for name, data in _read(tmp_path).items()}
  assert sorted(texts) == [
    *['dev.tsv', 'labels.txt', 'manifest.json', 'test.tsv', 'text.txt'],
    *['train.tsv', 'transfer.txt'],
  ]
  assert {*extract_docstrings._FILES, 'manifest.json'} == texts.keys()
  assert texts['labels.txt'] == 'exchanged\nown\n'
  rows = texts['test.tsv'].splitlines()
  assert rows[0] == 'sentence\tlabel'
  assert len(rows) == 17
  for row in rows[1:]:
    text, label = row.split('\t')
    assert text.startswith('the') == (label == 'own')
  # Each of the 20 modules has eight sentences.
  assert len(texts['transfer.txt'].splitlines()) == 48
  # The 16 modules that are neither in dev nor in test, in their own order.
  documents = texts['text.txt'].rstrip('\n').split('\n\n')
  assert len(documents) == 16
  for document in documents:
    nouns = {line.split()[1] for line in document.splitlines()}
    assert len(document.splitlines()) == 8
    assert len(nouns) == 1
    assert document.splitlines()[0].startswith('The ')
  assert manifest['splits'] == {
    'dev': 16, 'test': 16, 'train': 16, 'transfer': 48
  }  # fmt: skip
  assert manifest['bytes']['labels.txt'] == len(texts['labels.txt'])


def test_same_seed_same_bytes(installed, tmp_path):
  for name, seed in (('a', 1), ('b', 1), ('c', 2)):
    extract_docstrings.extract(str(tmp_path / name), SIZES, seed)
  first, again, other = (_read(tmp_path / name) for name in 'abc')
  assert first == again
  assert first['test.tsv'] != other['test.tsv']


def test_complete_output_is_not_made_again(installed, tmp_path, monkeypatch):
  manifest = extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  monkeypatch.setattr(extract_docstrings, 'read_modules', None)
  again = extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  assert again == manifest
  # Models may be trained on it, so it stays when packages change.
  monkeypatch.setattr(docstring_corpus, 'installed_versions', lambda: {'a': 2})
  again = extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  assert again == manifest
  (tmp_path / 'text.txt').unlink()
  before = _read(tmp_path)
  with pytest.raises(
    UserError, match='text.txt is gone or cut off, and cannot'
  ):
    extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  assert _read(tmp_path) == before
  with pytest.raises(TypeError):
    extract_docstrings.extract(str(tmp_path), SIZES, seed=2)


def test_incomplete_output_is_made_again(installed, tmp_path, monkeypatch):
  extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  whole = _read(tmp_path)
  with monkeypatch.context() as patch:
    patch.setattr(extract_docstrings, 'read_modules', None)
    with pytest.raises(TypeError):
      extract_docstrings.extract(str(tmp_path), SIZES, seed=2)
  extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  assert _read(tmp_path) == whole
  (tmp_path / 'dev.tsv').unlink()
  (tmp_path / 'text.txt').write_text('cut off')
  extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  assert _read(tmp_path) == whole


@pytest.mark.parametrize('name', ['test.tsv', 'manifest.json'])
def test_files_of_another_origin_are_kept(tmp_path, name):
  (tmp_path / name).write_text('{"mine": 1}')
  with pytest.raises(UserError, match=f'holds {name}, but no manifest.json of'):
    extract_docstrings.extract(str(tmp_path), SIZES, seed=1)
  assert _read(tmp_path) == {name: b'{"mine": 1}'}


def test_too_little_text_is_reported(installed, tmp_path):
  too_many = word_order_task.Sizes(16, 16, 500, 100)
  with pytest.raises(UserError, match='too little text: 160 distinct'):
    extract_docstrings.extract(str(tmp_path), too_many, seed=1)


def test_an_unwritable_folder_is_reported(installed, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot write .*file'):
    extract_docstrings.extract(str(tmp_path / 'file'), SIZES, seed=1)


@pytest.mark.slow
def test_script_extracts_the_installed_packages(tmp_path):
  command = [sys.executable, '-m', 'tools.extract_docstrings']
  subprocess.run([*command, f'--output_dir={tmp_path}'], check=True)
  manifest = json.loads((tmp_path / 'manifest.json').read_text())
  assert manifest['splits']['test'] == 2000
  assert manifest['splits']['transfer'] > 15_000
  assert len((tmp_path / 'labels.txt').read_text().split()) == 2
