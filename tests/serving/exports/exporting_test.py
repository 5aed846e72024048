"""Tests for writing, checking and removing exports.

A format of the tests writes one file; its checker answers with the outputs that
a test puts into that file.
"""

import json
import sys

import numpy as np
import pytest

from serving.exports import (
  checking,
  exporting,
  formats,
  isolated_script,
  reference,
)
from serving.exports.format import Format
from system.errors import UserError

_CHECKER = """
import json, pathlib, sys
import numpy as np
folder, work = map(pathlib.Path, sys.argv[1:])
spec = json.loads((folder / 'spec.json').read_text())
if spec['fails']:
  sys.exit('no such weight')
features = np.load(work / 'features.npz')
lengths = features['attention_mask'].sum(1)
ids = [[a[:n].tolist(), b[:n].tolist()] for a, b, n in zip(
  features['input_ids'], features['token_type_ids'], lengths)]
if spec['wrong_ids']:
  ids[0][0][0] += 1
np.savez(work / 'outputs.npz', logits=np.array(spec['logits'], np.float32))
(work / 'answer.json').write_text(json.dumps({
  'ids': ids, 'labels': spec['labels'], 'versions': {'numpy': np.__version__},
  'modules': [x.split('.')[0] for x in sys.modules] + spec['modules']}))
"""
_TEXTS = ['the film is good .', 'the plot is bad .']


class _World:
  """A model, its reference, and a format whose checker answers as told."""

  def __init__(self, parts, folder):
    self.parts = parts
    self.reference = reference.compute(parts, _TEXTS)
    self.folder = folder / 'exports'
    checker = folder / 'checker.py'
    checker.write_text(_CHECKER)
    self.spec = {
      'fails': False,
      'wrong_ids': False,
      'logits': self.reference.outputs['logits'].tolist(),
      'labels': list(self.reference.labels),
      'modules': [],
    }
    self.format = Format('fake', (), (), str(checker), 1e-5, self._write)

  def _write(self, parts, folder):
    assert parts is self.parts
    with open(f'{folder}/spec.json', 'w') as file:
      json.dump(self.spec, file)

  def export(self, **limits):
    return exporting.export(
      self.format,
      self.parts,
      str(self.folder),
      self.reference,
      'two texts',
      exporting.Limits(**limits),
    )

  def files(self):
    return sorted(path.name for path in self.folder.rglob('*'))


@pytest.fixture
def fake(parts_of, tmp_path):
  return _World(parts_of('classifier'), tmp_path)


def test_an_equal_export_is_kept_with_its_report(fake):
  report = fake.export()
  assert fake.files() == ['export.json', 'fake', 'spec.json']
  stored = json.loads((fake.folder / 'fake' / 'export.json').read_text())
  assert stored == report
  assert report['largest_difference'] == 0.0
  assert report['equal_labels'] == report['equal_token_ids'] == 1.0
  assert report['texts'] == 'two texts' and report['num_texts'] == 2
  assert report['model_checksum'] == fake.parts.checkpoint.checksum()
  assert list(report['files']) == ['spec.json']


@pytest.mark.parametrize('value', [1e-3, float('nan'), float('inf')])
def test_an_export_that_differs_is_removed(fake, value):
  fake.spec['logits'][1][0] += value
  with pytest.raises(UserError, match='differs by .* expected at most 1e-05'):
    fake.export()
  assert fake.files() == []


def test_a_small_difference_is_measured(fake):
  fake.spec['logits'][1][0] += 5e-6
  assert fake.export()['largest_difference'] == pytest.approx(5e-6, rel=0.05)


def test_the_bound_grows_with_outputs_above_1():
  small = checking.Difference(1, 0.0, 0.5, None, 1.0, (), {})
  large = checking.Difference(1, 0.0, 30.0, None, 1.0, (), {})
  assert small.allowed(1e-5) == 1e-5
  assert large.allowed(1e-5) == pytest.approx(3e-4)


def test_other_token_ids_are_counted_and_refused_below_the_limit(fake):
  fake.spec['wrong_ids'] = True
  with pytest.raises(UserError, match=r'50\.00%.*at least 98\.00%.*the film'):
    fake.export()
  assert fake.files() == []
  report = fake.export(min_equal_ids=0.5)
  assert report['equal_token_ids'] == 0.5
  assert report['other_token_ids'] == ["'the film is good .'"]


def test_other_labels_are_counted(fake):
  fake.spec['labels'][0] = 'other'
  assert fake.export()['equal_labels'] == 0.5


def test_an_export_that_cannot_be_loaded_is_removed(fake):
  fake.spec['fails'] = True
  with pytest.raises(UserError, match='cannot be loaded.*no such weight'):
    fake.export()
  assert fake.files() == []


def test_a_checker_that_imports_tensorflow_proves_nothing(fake):
  fake.spec['modules'] = ['tensorflow']
  with pytest.raises(RuntimeError, match='the checker imported tensorflow'):
    fake.export()
  assert fake.files() == []


def test_an_earlier_export_stays_until_the_new_one_is_checked(fake):
  fake.export()
  before = (fake.folder / 'fake' / 'export.json').read_bytes()
  fake.spec['fails'] = True
  with pytest.raises(UserError):
    fake.export()
  assert (fake.folder / 'fake' / 'export.json').read_bytes() == before
  fake.spec['fails'] = False
  fake.spec['extra'] = 1
  fake.export()
  assert 'extra' in json.loads((fake.folder / 'fake/spec.json').read_text())


def test_an_existing_export_is_replaced_only_on_request(tmp_path):
  target = tmp_path / 'onnx'
  assert exporting.check_target(str(tmp_path), 'onnx', False) == str(target)
  target.mkdir()
  with pytest.raises(UserError, match='exists: leave onnx out of `format`'):
    exporting.check_target(str(tmp_path), 'onnx', False)
  with pytest.raises(UserError, match='is not an export.*not replaced'):
    exporting.check_target(str(tmp_path), 'onnx', True)
  (target / 'export.json').write_text('{}')
  assert exporting.check_target(str(tmp_path), 'onnx', True) == str(target)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
  chosen = Format('fake', ('no_writer',), ('no_reader',), '', 0.0, print)
  monkeypatch.setattr(formats, 'get', lambda name: chosen)
  message = r"no_writer, which .*pip install .* -e '\.\[fake\]'"
  with pytest.raises(UserError, match=message):
    formats.check_packages('fake', sys.executable)


def test_another_interpreter_may_lack_the_legacy_keras(tmp_path, monkeypatch):
  monkeypatch.setenv('TF_USE_LEGACY_KERAS', '1')
  python = tmp_path / 'python'
  python.write_text(
    '#!/bin/sh\necho "given <$TF_USE_LEGACY_KERAS>" >&2; exit 3'
  )
  python.chmod(0o755)
  with pytest.raises(UserError, match='failed with status 3: given <>'):
    isolated_script.run(str(python), 'converters/litert.py', action='written')


def test_an_interpreter_that_cannot_be_run_is_named(tmp_path):
  with pytest.raises(UserError, match='`checker_python`=.*cannot be run'):
    formats.check_packages('hugging_face', str(tmp_path / 'python'))


@pytest.mark.parametrize('name', formats.NAMES)
def test_every_format_has_its_name_its_checker_and_its_extra(name):
  import configparser
  import pathlib

  chosen = formats.get(name)
  assert chosen.name == name
  assert (isolated_script.FOLDER / 'checkers' / chosen.checker).is_file()
  root = pathlib.Path(__file__).resolve().parents[3]
  parser = configparser.ConfigParser()
  parser.read(root / 'setup.cfg')
  assert name.replace('_', '-') in parser['options.extras_require']


def test_positions_stay_within_a_text(fake):
  positions = fake.reference.features['positions']
  lengths = fake.reference.features['attention_mask'].sum(axis=1)
  assert (positions < lengths[:, np.newaxis]).all()
