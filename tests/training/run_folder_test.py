"""The record of a run's configuration in its folder."""

import os

import pytest

from system import files, temporary_files
from system.errors import UserError
from training import run_folder


def test_another_configuration_is_refused_if_there_is_progress(tmp_path):
  folder, first = str(tmp_path), {'learning_rate': 1e-3, 'seed': 1}
  run_folder.claim(folder, first, has_progress=False)
  run_folder.claim(folder, first, has_progress=True)
  before = (tmp_path / 'run.json').read_text()
  with pytest.raises(
    UserError,
    match='learning_rate: 0.001 there, 0.01 now; seed: 1 there, 2 now',
  ):
    run_folder.claim(
      folder, {'learning_rate': 1e-2, 'seed': 2}, has_progress=True
    )
  assert (tmp_path / 'run.json').read_text() == before


def test_another_configuration_is_accepted_without_progress(tmp_path):
  run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=False)
  run_folder.claim(str(tmp_path), {'seed': 2}, has_progress=False)
  assert '"seed": 2' in (tmp_path / 'run.json').read_text()


def test_another_configuration_is_told_from_the_same(tmp_path):
  folder = str(tmp_path)
  assert not run_folder.is_of_another(folder, {'seed': 1})
  run_folder.claim(folder, {'seed': 1, 'range': (1, 2)}, has_progress=False)
  assert not run_folder.is_of_another(folder, {'seed': 1, 'range': (1, 2)})
  assert run_folder.is_of_another(folder, {'seed': 1})


def test_other_dumps_are_named_by_their_folders(tmp_path):
  def claim(dumps, *flags):
    command = {'script': 'run_distillation', 'flags': [*flags]}
    run_folder.claim(str(tmp_path), {'dumps': dumps}, True, command=command)

  claim([['x', 1, 'f0'], ['y', 1, 'f1']], '--logits_dir=a,b')
  with pytest.raises(
    UserError,
    match='.`logits_dir`: other dumps, or in another order: a,b there, b,a now',
  ):
    claim([['y', 1, 'f1'], ['x', 1, 'f0']], '--logits_dir=b,a')
  with pytest.raises(UserError, match='a,b there, not given now'):
    claim([])
  with pytest.raises(UserError, match='a,b there, unknown now'):
    run_folder.claim(str(tmp_path), {'dumps': []}, True)


def test_a_run_resumes_although_its_start_has_changed(tmp_path, caplog):
  def claim(checksum, *flags):
    command = {'script': 'run_classifier', 'flags': ['--do_train', *flags]}
    start = {'init_checkpoint': checksum}
    run_folder.claim(str(tmp_path), start, True, command=command)

  claim('f0', '--init_checkpoint=pre')
  assert not caplog.text
  # Pre-training went on in the folder.
  claim('f1', '--init_checkpoint=pre')
  assert '`init_checkpoint`=pre holds other weights than' in caplog.text
  for flags, now in ((['--init_checkpoint=other'], 'other'), ([], 'not given')):
    with pytest.raises(
      UserError,
      match=f'.`init_checkpoint`: other weights: pre there, {now} now',
    ):
      claim('f1', *flags)


@pytest.mark.parametrize('folder', ['', 'best'])
def test_weights_of_a_run_that_cannot_resume_are_kept(tmp_path, folder):
  run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=False)
  (tmp_path / folder).mkdir(exist_ok=True)
  (tmp_path / folder / 'model.ckpt-0.index').touch()
  run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=False)
  weights = tmp_path / folder / 'model.ckpt-30'
  weights.with_name('model.ckpt-30.index').touch()
  with pytest.raises(
    UserError, match=rf'weights of a run \({weights}\), but nothing that'
  ):
    run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=False)
  run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=True)


@pytest.mark.parametrize('content', ['{}', '[]', '{"configuration": 1}'])
def test_a_malformed_run_file_is_named(tmp_path, content):
  (tmp_path / 'run.json').write_text(content)
  with pytest.raises(UserError, match=r'run\.json has no configuration'):
    run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=True)
  with pytest.raises(UserError, match=r'run\.json has no configuration'):
    run_folder.is_claimed(str(tmp_path))


def test_temporary_files_are_removed_if_no_other_job_may_write_some(tmp_path):
  left, best, records = (
    temporary_files.name_for(str(tmp_path / name))
    for name in ('train.tf_record', 'best', 'dev.tfrecord')
  )
  for path in (left, f'{best}/x', records):
    files.make_folder(os.path.dirname(path))
    files.write_text(path, 'half')
  run_folder.claim(str(tmp_path), {'seed': 1}, False, is_alone=False)
  assert files.exists(left)
  run_folder.claim(str(tmp_path), {'seed': 1}, False)
  # A job of data/create_pretraining_data.py may still write the records.
  assert {str(path) for path in tmp_path.iterdir()} == {
    *(records, str(tmp_path / 'run.json'))
  }


def test_release_removes_the_same_claim_only(tmp_path):
  folder = str(tmp_path)
  run_folder.claim(folder, {'range': (1, 2)}, has_progress=False)
  run_folder.release(folder, {'range': (1, 3)})
  assert files.exists(f'{folder}/run.json')
  for _ in range(2):
    run_folder.release(folder, {'range': (1, 2)})
    assert not files.exists(f'{folder}/run.json')


def test_a_folder_with_checkpoints_but_no_run_file_is_refused(tmp_path):
  (tmp_path / 'model.ckpt-3.index').write_bytes(b'')
  with pytest.raises(UserError, match='holds checkpoints .* no run.json'):
    run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=False)


def test_weights_that_no_run_has_written_do_not_stop_one(tmp_path):
  (tmp_path / 'bert_model.ckpt-9.index').touch()
  run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=False)
  (tmp_path / 'model.ckpt-9.index').touch()
  with pytest.raises(UserError, match='model.ckpt-9.*, but nothing that'):
    run_folder.claim(str(tmp_path), {'seed': 1}, has_progress=False)
