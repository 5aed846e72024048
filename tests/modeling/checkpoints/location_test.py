"""Tests of modeling/checkpoints/location.py."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from modeling.checkpoints import location, tensor_bundle
from modeling.configs import BertConfig
from system.errors import UserError

CONFIG = BertConfig(vocab_size=3, hidden_size=12)


def _write(prefix):
  tensor_bundle.write(str(prefix), {'x': np.float32(1.0)})


@pytest.fixture
def run(tmp_path):
  """A run's folder whose best checkpoint lies in best/."""
  best = tmp_path / 'best'
  best.mkdir()
  _write(best / 'model.ckpt-8')
  (best / 'model.ckpt-8.data-00000-of-00001').write_bytes(b'weights')
  return tmp_path


def test_what_files_record_of_the_casing_precedes_the_folder_s_name(tmp_path):
  folder = tmp_path / 'cased_L-2_H-12_A-2'
  folder.mkdir()
  _write(folder / 'bert_model.ckpt')
  found = location.locate(str(folder))
  assert found.casing() == (folder.name, False)
  (folder / 'tokenizer_config.json').write_text('{"do_lower_case": true}')
  assert found.casing() == (str(folder / 'tokenizer_config.json'), True)


def test_a_casing_that_is_given_replaces_a_missing_record_only(tmp_path):
  _write(tmp_path / 'bert_model.ckpt')
  found = location.locate(str(tmp_path))
  assert [found.casing_or(x) for x in (None, True, False)] == [
    *(None, True, False)
  ]
  record = tmp_path / 'tokenizer_config.json'
  record.write_text('{"do_lower_case": false}')
  assert found.casing_or(None) is found.casing_or(False) is False
  with pytest.raises(
    UserError, match=f'`do_lower_case`=True contradicts {record}, .* False'
  ):
    found.casing_or(True)
  record.write_text('{"do_lower_case": true}')
  with pytest.raises(UserError, match='`do_lower_case`=False contradicts'):
    found.casing_or(False)


def test_a_bare_checkpoint_has_no_descriptions(run):
  found = location.locate(str(run / 'best'))
  assert found == location.Checkpoint(str(run / 'best' / 'model.ckpt-8'))
  assert found.folder == str(run / 'best')
  assert not found.is_hugging_face
  assert found.vocab_file is None
  assert found.config() is None
  assert found.casing() is None
  assert found.checksum() == hashlib.sha256(b'weights').hexdigest()


def test_a_best_checkpoint_is_described_in_two_folders(run):
  best = run / 'best'
  (best / 'vocab.txt').write_text('[PAD]\n')
  CONFIG.to_json_file(str(best / 'bert_config.json'))
  (run / 'run.json').write_text(
    json.dumps({'configuration': {'do_lower_case': False}})
  )
  found = location.locate(str(best))
  assert found.vocab_file == str(best / 'vocab.txt')
  assert found.config() == (str(best / 'bert_config.json'), CONFIG)
  assert found.casing() == (str(run / 'run.json'), False)


@pytest.mark.parametrize(
  ('name', 'folders'),
  [
    *[(name, ['']) for name in ('', '/', '/model.ckpt-8')],
    *[(f'/best{name}', ['/best', '']) for name in ('', '/', '/model.ckpt-8')],
  ],
)
def test_labels_are_beside_a_checkpoint_or_in_its_run_s_folder(
  run, name, folders
):
  found = location.label_folders(f'{run}{name}')
  assert found == [f'{run}{folder}' for folder in folders]


def test_a_run_s_folder_means_its_best_checkpoint(run, caplog):
  _write(run / 'model.ckpt-9')
  latest = f'{run}/model.ckpt-9'
  (run / 'checkpoint').write_text('model_checkpoint_path: "model.ckpt-9"\n')
  # Without a `checkpoint` file, best/ is still being written.
  assert location.locate(str(run)).prefix == latest
  (run / 'best' / 'checkpoint').write_text(
    'model_checkpoint_path: "model.ckpt-8"\n'
  )
  best = f'{run}/best/model.ckpt-8'
  assert location.locate(f'{run}/').prefix == best
  assert f"Using the run's best checkpoint: {best}" in caplog.text
  assert location.locate(latest).prefix == latest
  assert location.locate_latest(str(run)).prefix == latest


def test_a_checkpoint_in_the_working_directory_is_found(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  _write(tmp_path / 'only')
  (tmp_path / 'vocab.txt').write_text('[PAD]\n')
  found = location.locate('only')
  assert (found.folder, found.vocab_file) == ('', 'vocab.txt')


def test_a_hugging_face_model_is_located(tmp_path):
  path = tmp_path / 'model.safetensors'
  content = safetensors.numpy.save({'x': np.float32([1.0])})
  path.write_bytes(content)
  (tmp_path / 'config.json').write_text('{"vocab_size": 7}')
  found = location.locate(str(tmp_path))
  assert found.prefix == str(path)
  assert found.is_hugging_face
  assert found.config()[1].vocab_size == 7
  assert found.checksum() == hashlib.sha256(content).hexdigest()


@pytest.fixture
def prefix(tmp_path):
  """The prefix of a checkpoint with the released name."""
  prefix = str(tmp_path / 'bert_model.ckpt')
  _write(prefix)
  return prefix


@pytest.mark.parametrize('suffix', ['', '.index', '.data-00000-of-00001'])
def test_prefixes_and_file_names_are_located(prefix, suffix):
  assert location.locate(prefix + suffix).prefix == prefix


def test_in_a_folder_the_released_name_precedes_others(prefix, tmp_path):
  _write(tmp_path / 'other')
  assert location.locate(str(tmp_path)).prefix == prefix


def test_the_only_checkpoint_of_a_folder_is_located(tmp_path):
  _write(tmp_path / 'only')
  _write(tmp_path / '.other.0123456789abcdef.tmp')
  assert location.locate(f'{tmp_path}/').prefix == str(tmp_path / 'only')


def test_the_checkpoint_file_of_a_moved_folder_is_followed(tmp_path):
  before, after = tmp_path / 'before', tmp_path / 'after'
  before.mkdir()
  for name in ('m-1', 'm-2'):
    _write(before / name)
  (before / 'checkpoint').write_text(f'model_checkpoint_path: "{before}/m-2"\n')
  # The folder of the original may still be there.
  shutil.copytree(before, after)
  assert location.locate(str(after)).prefix == str(after / 'm-2')
  shutil.rmtree(before)
  assert location.locate(str(after)).prefix == str(after / 'm-2')


@pytest.mark.parametrize(
  'name', ['é', r'\303\251', r'\xc3\xa9'], ids=['utf-8', 'octal', 'hex']
)
def test_the_checkpoint_file_may_escape_letters(tmp_path, name):
  _write(tmp_path / 'é')
  _write(tmp_path / 'other')
  (tmp_path / 'checkpoint').write_text(
    f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "other"\n'
  )
  assert location.locate(str(tmp_path)).prefix == str(tmp_path / 'é')


@pytest.mark.parametrize('name', [r'\377', r'\xzz', 'gone'])
def test_a_damaged_checkpoint_file_names_no_checkpoint(tmp_path, name):
  _write(tmp_path / 'only')
  (tmp_path / 'checkpoint').write_text(f'model_checkpoint_path: "{name}"\n')
  assert location.locate(str(tmp_path)).prefix == str(tmp_path / 'only')


def test_the_checkpoint_file_may_name_a_folder_below(tmp_path, monkeypatch):
  monkeypatch.chdir('/')
  (tmp_path / 'below').mkdir()
  _write(tmp_path / 'below' / 'm-1')
  (tmp_path / 'checkpoint').write_text('model_checkpoint_path: "below/m-1"\n')
  found = location.locate(str(tmp_path))
  assert found.prefix == str(tmp_path / 'below' / 'm-1')


def test_a_folder_may_hold_no_other_checkpoint(run):
  best, new = run / 'best', run / 'new'
  with pytest.raises(
    UserError, match='another checkpoint, .*best/model.ckpt-8'
  ):
    location.check_no_other(str(best))
  location.check_no_other(str(new))
  new.mkdir()
  _write(new / 'bert_model.ckpt')
  (new / 'bert_model.ckpt.data-00000-of-00001').write_bytes(b'weights')
  location.check_no_other(str(new))
  (new / 'checkpoint').write_text('model_checkpoint_path: "bert_model.ckpt-1"')
  _write(new / 'bert_model.ckpt-1')
  with pytest.raises(UserError, match='another .*/new/bert_model.ckpt-1: give'):
    location.check_no_other(str(new))


def test_an_empty_path_is_refused():
  with pytest.raises(UserError, match='empty path'):
    location.locate('')


def test_the_error_lists_similar_checkpoints(prefix, tmp_path):
  wrong = str(tmp_path / 'bert_modle.ckpt')
  with pytest.raises(UserError) as error:
    location.locate(wrong)
  for part in (repr(wrong), wrong + '.index', 'there are: bert_model.ckpt'):
    assert part in str(error.value)


@pytest.mark.parametrize(
  ('path', 'message'),
  [
    ('', 'looked for .*checkpoint.*bert_model.ckpt.index'),
    ('', 'bert_model.ckpt.index, [^;]*$'),  # There is nothing to list.
    ('nowhere/x', "there is no folder '.*nowhere'"),
    ('x', "looked for .*x.index and for a folder .*; no other is in '"),
  ],
)
def test_empty_and_missing_folders_are_refused(tmp_path, path, message):
  with pytest.raises(UserError, match=message):
    location.locate(str(tmp_path / path))


def test_a_folder_with_several_checkpoints_is_ambiguous(tmp_path):
  for name in ('a', 'b'):
    (tmp_path / f'{name}.index').touch()
  with pytest.raises(UserError, match='there are: [ab]; [ab]'):
    location.locate(str(tmp_path))
