"""A packed encoder: Google's names, the last checkpoint, a whole zip."""

import zipfile

import pytest

from modeling import configs
from modeling.checkpoints import recorded_casing
from system.errors import UserError
from tools import pack_release

_PARTS = (
  *('bert_config.json', 'bert_model.ckpt.data-00000-of-00001'),
  *('bert_model.ckpt.index', 'vocab.txt'),
)


@pytest.fixture
def run(tmp_path):
  folder = tmp_path / 'run'
  folder.mkdir()
  config = configs.compact_config('2/128', 10)
  config.to_json_file(str(folder / 'bert_config.json'))
  (folder / 'vocab.txt').write_text('[PAD]\n')
  for step in (9, 20):
    for ending in ('index', 'data-00000-of-00001'):
      (folder / f'model.ckpt-{step}.{ending}').write_text(f'{ending} of {step}')
  (folder / 'checkpoint').write_text('model_checkpoint_path: "model.ckpt-20"')
  return folder


def test_folder_and_zip_hold_the_last_checkpoint(run, tmp_path):
  path = pack_release.pack(str(run), str(tmp_path / 'out'), True)
  assert path == f'{tmp_path}/out/uncased_L-2_H-128_A-2.zip'
  name = 'uncased_L-2_H-128_A-2'
  with zipfile.ZipFile(path) as packed:
    assert sorted(packed.namelist()) == [f'{name}/{part}' for part in _PARTS]
    assert packed.read(f'{name}/bert_model.ckpt.index') == b'index of 20'
  folder = tmp_path / 'out' / name
  assert sorted(x.name for x in folder.iterdir()) == list(_PARTS)
  assert sorted(x.name for x in folder.parent.iterdir()) == [
    name,
    f'{name}.zip',
  ]


def test_a_later_step_of_an_earlier_run_is_not_packed(run, tmp_path):
  (run / 'checkpoint').write_text('model_checkpoint_path: "model.ckpt-9"')
  with zipfile.ZipFile(pack_release.pack(str(run), str(tmp_path))) as packed:
    [name] = [x for x in packed.namelist() if x.endswith('.index')]
    assert packed.read(name) == b'index of 9'


def test_a_folder_with_other_files_is_kept(run, tmp_path):
  folder = tmp_path / 'uncased_L-2_H-128_A-2'
  moved = run.rename(folder.with_name('moved'))
  folder.mkdir()
  moved = moved.rename(folder / 'run')
  with pytest.raises(UserError, match="holds 'run', which are not part of"):
    pack_release.pack(str(moved), str(tmp_path))
  assert (moved / 'model.ckpt-20.index').exists()
  path = pack_release.pack(str(moved), str(tmp_path / 'out'))
  assert pack_release.pack(str(moved), str(tmp_path / 'out')) == path


def test_a_missing_part_is_named(run, tmp_path):
  (run / 'vocab.txt').unlink()
  with pytest.raises(UserError, match='vocab.txt'):
    pack_release.pack(str(run), str(tmp_path / 'out'), True)
  assert not (tmp_path / 'out').exists()


def test_a_folder_without_checkpoint_is_refused(run, tmp_path):
  for path in run.glob('model.ckpt-*'):
    path.unlink()
  with pytest.raises(UserError, match='no checkpoint was found in the folder'):
    pack_release.pack(str(run), str(tmp_path / 'out'), True)


def test_the_name_follows_the_casing_that_the_run_records(run, tmp_path):
  (run / 'run.json').write_text('{"configuration": {"do_lower_case": false}}')
  path = pack_release.pack(str(run), str(tmp_path / 'out'))
  assert path == f'{tmp_path}/out/cased_L-2_H-128_A-2.zip'
  folder = tmp_path / 'out' / 'cased_L-2_H-128_A-2'
  assert recorded_casing.beside(f'{folder}/bert_model.ckpt')[1] is False
  with zipfile.ZipFile(path) as packed:
    assert f'{folder.name}/tokenizer_config.json' in packed.namelist()
  with pytest.raises(UserError, match='do_lower_case`=True .*run.json.* False'):
    pack_release.pack(str(run), str(tmp_path / 'other'), True)
  assert not (tmp_path / 'other').exists()


def test_a_failure_leaves_neither_folder_nor_zip(run, tmp_path, monkeypatch):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot write to .*file'):
    pack_release.pack(str(run), str(tmp_path / 'file'))

  def fail(*_):
    raise OSError('disk full')

  monkeypatch.setattr('shutil.copyfile', fail)
  with pytest.raises(UserError, match='cannot write .*uncased.*: disk full'):
    pack_release.pack(str(run), str(tmp_path / 'out'))
  assert not list((tmp_path / 'out').iterdir())
