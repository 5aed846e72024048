"""Files of other programs in the folder of a new run are kept."""

import json

import pytest

from system.errors import UserError
from training import output_folder_check, run_folder

_CONFIG = {'hidden_size': 8}
_LABELS = ('no', 'yes')
_VOCABULARY = ('[PAD]', 'film')


@pytest.fixture
def folder(tmp_path):
  path = tmp_path / 'out'
  path.mkdir()
  return path


def _check(folder):
  output_folder_check.check_run(str(folder), _CONFIG, _VOCABULARY, _LABELS)


@pytest.mark.parametrize(
  'name',
  [
    *['bert_config.json', 'vocab.txt', 'labels.txt', 'checkpoint'],
    *['checkpoints/ckpt-0.index', 'best/vocab.txt', 'dump/manifest.json'],
    *['train.tf_record', 'train.tf_record.index.json', 'metrics.jsonl'],
    'eval_metrics.jsonl',
  ],
)
def test_a_run_keeps_files_of_other_programs(folder, name):
  path = folder / name
  path.parent.mkdir(exist_ok=True)
  path.write_text('{"mine": 1}')
  named = str(path if path.parent == folder else path.parent)
  with pytest.raises(
    UserError, match=f'/out holds no run, but {named}/?, which this run would'
  ):
    _check(folder)
  run_folder.claim(str(folder), {}, has_progress=False)
  _check(folder)


def test_pretraining_may_read_records_in_its_folder(folder):
  for name in ('train.tf_record', 'train.tf_record.index.json'):
    (folder / name).write_text('mine')
  output_folder_check.check_run(str(folder), _CONFIG, _VOCABULARY, labels=None)


def test_files_that_a_run_would_write_the_same_are_accepted(folder):
  (folder / 'bert_config.json').write_text(json.dumps(_CONFIG))
  (folder / 'vocab.txt').write_text('[PAD]\r\nfilm')
  (folder / 'labels.txt').write_text('no\nyes\n')
  (folder / 'checkpoints').mkdir()
  (folder / 'notes.txt').write_text('mine')
  _check(folder)
  (folder / 'labels.txt').write_text('no\nyes\nperhaps\n')
  with pytest.raises(UserError, match='/labels.txt, which this run would'):
    _check(folder)


def test_a_run_file_of_another_program_is_kept(folder):
  (folder / 'run.json').write_text('{"mine": 1}')
  with pytest.raises(UserError, match='run.json has no configuration'):
    _check(folder)
  with pytest.raises(UserError, match='run.json has no configuration'):
    output_folder_check.check_seeds(str(folder))


def test_the_summary_of_seeds_is_kept(folder):
  output_folder_check.check_seeds(str(folder))
  (folder / 'seeds.json').write_text('{}')
  with pytest.raises(UserError, match='/seeds.json, which this run would'):
    output_folder_check.check_seeds(str(folder))
  (folder / 'seeds.json').write_text('{"scores": {}, "summary": {}}')
  output_folder_check.check_seeds(str(folder))
  (folder / 'seeds.json').write_text('{}')
  run_folder.claim(str(folder), {}, has_progress=False)
  output_folder_check.check_seeds(str(folder))


@pytest.mark.parametrize('script', ['run_classifier', 'run_distillation', ''])
def test_a_dump_keeps_the_record_of_a_run(folder, script):
  run_folder.claim(str(folder), {'script': script} if script else {}, False)
  with pytest.raises(UserError, match='/out holds a run.*run.json.*logits_dir'):
    output_folder_check.check_dump(str(folder), _LABELS, ())


@pytest.mark.parametrize('name', ['model.ckpt-9.index', 'checkpoints/ckpt-3'])
def test_a_dump_is_not_made_in_a_folder_with_checkpoints(folder, name):
  configuration = {'script': output_folder_check.DUMP_SCRIPT}
  run_folder.claim(str(folder), configuration, False)
  output_folder_check.check_dump(str(folder), _LABELS, ())
  (folder / name).parent.mkdir(exist_ok=True)
  (folder / name).write_text('mine')
  with pytest.raises(UserError, match='/out holds a run'):
    output_folder_check.check_dump(str(folder), _LABELS, ())


def test_a_run_keeps_the_record_of_a_dump(folder):
  (folder / 'logits-00000-of-00003').write_text('mine')
  for _ in range(2):
    with pytest.raises(UserError, match='holds a logits dump .*/logits-00000'):
      _check(folder)
    with pytest.raises(UserError, match='holds a logits dump .*/logits-00000'):
      output_folder_check.check_seeds(str(folder))
    configuration = {'script': output_folder_check.DUMP_SCRIPT}
    run_folder.claim(str(folder), configuration, has_progress=False)
  # A run whose run.json is in the folder may resume.
  run_folder.claim(str(folder), {'script': 'run_classifier'}, False)
  _check(folder)
