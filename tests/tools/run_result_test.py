"""Results of runs: made from a run's folder, named, written and read."""

import json
import os

import pytest
import tiny_world

from system import machine
from system.errors import UserError
from tools import run_result
from training import class_scores

KEYS = {'method': 'PD', 'size': '2/128', 'task': 'SST-2', 'seed': 1}
RESULT = {'keys': KEYS, 'scores': {'accuracy': 0.5}, 'split': 'dev'}
RUN = {
  'configuration': {'init_checkpoint': 'abc'},
  'command': {
    'script': 'run_distillation',
    'flags': ['--do_train', '--eval_split=test'],
  },
  'versions': {'tensorflow': '2.20.0'},
}


@pytest.fixture(name='run_dir')
def _run_dir(tmp_path):
  folder = tmp_path / 'run'
  folder.mkdir()
  results = folder / 'eval_results.txt'
  results.write_text('eval_accuracy = 0.75\neval_f1 = nan\nglobal_step = 3\n')
  os.utime(results, (86400, 86400))
  class_scores.write(str(folder), ('no', 'yes'), [0, 1, 1, 1], [0, 0, 1, 1])
  (folder / 'bert_config.json').write_text(json.dumps(tiny_world.CONFIG))
  (folder / 'eval_speed.json').write_text('{"examples_per_second": 12.5}')
  (folder / 'run.json').write_text(json.dumps(RUN))
  (folder / 'model.ckpt-3.data-00000-of-00001').write_bytes(b'weights')
  return folder


def test_a_run_is_described(run_dir):
  config = tiny_world.CONFIG
  embeddings = (config['vocab_size'] + 32 + 2) * 8 + 2 * 8
  layer = 4 * (8 * 8 + 8) + (8 * 16 + 16) + (16 * 8 + 8) + 4 * 8
  assert run_result.make(str(run_dir), KEYS | {'domain': None}, 312.4) == {
    'keys': KEYS,
    'scores': {'accuracy': 0.75, 'f1': None},
    'confusion': {'labels': ['no', 'yes'], 'counts': [[1, 0], [1, 2]]},
    'split': 'test',
    'parameters': embeddings + 2 * layer + (8 * 8 + 8),
    'examples_per_second': 12.5,
    'seconds': 312.4,
    'command': ['run_distillation.py', '--do_train', '--eval_split=test'],
    'versions': {'tensorflow': '2.20.0'},
    'hardware': machine.hardware(),
    'init_checkpoint': 'abc',
    # The CRC-32 of 'weights' twice: a small file's ends are the whole file.
    'checkpoint': '4bcf3025',
    'finished': '1970-01-02T00:00:00Z',
  }


def test_a_line_shows_the_scores():
  scores = {'accuracy': 0.8149, 'pearson': None}
  line = run_result.scores_line({'split': 'dev', 'scores': scores})
  assert line == 'dev: accuracy 0.8149, pearson undefined'


def test_a_large_confusion_matrix_is_left_out(run_dir):
  for number, is_there in ((20, True), (21, False)):
    labels = [str(i) for i in range(number)]
    class_scores.write(str(run_dir), labels, [0], [1])
    record = run_result.make(str(run_dir), KEYS)
    assert (record['confusion'] is not None) == is_there


def test_the_weights_may_be_those_of_the_best_checkpoint(run_dir):
  checksum = run_result.make(str(run_dir), KEYS)['checkpoint']
  (run_dir / 'best').mkdir()
  name = 'model.ckpt-3.data-00000-of-00001'
  (run_dir / name).rename(run_dir / 'best' / name)
  assert run_result.make(str(run_dir), KEYS)['checkpoint'] == checksum


def test_what_a_run_does_not_say_is_null(run_dir):
  for name in ('run.json', 'eval_speed.json'):
    (run_dir / name).unlink()
  (run_dir / 'model.ckpt-3.data-00000-of-00001').unlink()
  record = run_result.make(str(run_dir), KEYS)
  assert record['split'] == 'dev'
  for name in ('command', 'versions', 'seconds', 'checkpoint'):
    assert record[name] is None
  assert record['examples_per_second'] is None
  assert run_result.make(str(run_dir), KEYS, split='test')['split'] == 'test'


def test_a_rate_that_is_unknown_is_null(run_dir):
  (run_dir / 'eval_speed.json').write_text('{"examples_per_second": null}')
  record = run_result.make(str(run_dir), KEYS)
  assert record['examples_per_second'] is None


def test_the_split_is_the_one_that_the_evaluation_recorded(run_dir):
  # The command of the run has --eval_split=test; another one evaluated it.
  path = run_dir / 'eval_speed.json'
  path.write_text('{"examples_per_second": 12.5, "split": "dev"}')
  assert run_result.make(str(run_dir), KEYS)['split'] == 'dev'
  with pytest.raises(UserError, match='`split`=test: .* are those of dev'):
    run_result.make(str(run_dir), KEYS, split='test')
  # A name of the user's own, for the dev file of another folder.
  record = run_result.make(str(run_dir), KEYS, split='selection')
  assert record['split'] == 'selection'


def test_mnli_s_mismatched_scores_have_names_of_their_own(run_dir):
  path = run_dir / 'eval_results_mismatched.txt'
  path.write_text('eval_accuracy = 0.5\nglobal_step = 3\n')
  scores = run_result.make(str(run_dir), KEYS)['scores']
  assert scores == {'accuracy': 0.75, 'f1': None, 'mismatched_accuracy': 0.5}


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    (None, '`run_dir`: there is no file'),
    ('global_step = 3\n', 'has no scores'),
    ('eval_accuracy = high\n', "NAME = NUMBER, got 'eval_accuracy = high'"),
  ],
)
def test_a_run_without_scores_is_refused(run_dir, text, message):
  path = run_dir / 'eval_results.txt'
  path.unlink()
  if text is not None:
    path.write_text(text)
  with pytest.raises(UserError, match=message):
    run_result.make(str(run_dir), KEYS)


def test_keys_are_parsed():
  texts = ['size=2/128', 'seed=1', 'similarity=0.5', 'method=a=b', 'x=nan']
  assert run_result.parse_keys(texts) == {
    'size': '2/128',
    'seed': 1,
    'similarity': 0.5,
    'method': 'a=b',
    'x': 'nan',
  }
  rates = run_result.parse_keys(
    ['a=1e-3', 'b=5e-05', 'c=2.5e-4', 'd=-0.5', 'e=0.00003']
  )
  assert rates == {'a': 0.001, 'b': 5e-5, 'c': 2.5e-4, 'd': -0.5, 'e': 3e-5}
  texts = ['version=1.10', 'id=007', 'date=2026_01', 'commit=12e4', 'x=+1']
  assert run_result.parse_keys(texts) == dict(t.split('=') for t in texts)


@pytest.mark.parametrize(
  'texts', [['seed'], ['seed='], ['=1'], ['seed=1', 'seed=2']]
)
def test_malformed_keys_are_refused(texts):
  with pytest.raises(UserError, match=f'--keys .* got {texts[-1]!r}'):
    run_result.parse_keys(texts)


def test_a_file_is_named_by_its_keys():
  assert run_result.file_name(KEYS) == 'SST-2_2-128_PD_seed1.json'
  others = {'transfer_examples': 20000, 'domain': 'a b/é', 'size': None}
  assert run_result.file_name({'seed': 0, 'method': 'PD', **others}) == (
    'PD_domain-a-b-_transfer-examples-20000_seed0.json'
  )


def test_results_are_read_as_written(tmp_path):
  (tmp_path / 'experiment.json').write_text('{}')
  other = RESULT | {'keys': KEYS | {'seed': 2}}
  run_result.write(str(tmp_path / 'r'), 'b.json', RESULT)
  path = run_result.write(str(tmp_path / 'r'), 'a', other)
  assert path == f'{tmp_path}/r/a.json'
  results = run_result.read_all(str(tmp_path / 'r'))
  assert [result['keys']['seed'] for result in results] == [2, 1]
  assert results[1]['scores'] == {'accuracy': 0.5}
  assert results[1]['command'] is None


def test_a_result_replaces_one_of_the_same_keys_only(tmp_path):
  run_result.write(str(tmp_path), 'a.json', RESULT)
  again = RESULT | {'scores': {'accuracy': 0.75}}
  run_result.write(str(tmp_path), 'a.json', again)
  assert run_result.read_all(str(tmp_path))[0]['scores'] == again['scores']
  other = RESULT | {'keys': KEYS | {'size': '2-128'}}
  with pytest.raises(UserError, match='size 2/128.*, not of .*size 2-128'):
    run_result.write(str(tmp_path), 'a.json', other)


def test_two_results_of_the_same_keys_are_refused(tmp_path):
  for name in ('a.json', 'b.json'):
    run_result.write(str(tmp_path), name, RESULT)
  with pytest.raises(UserError, match='b.json and .*a.json are both of '):
    run_result.read_all(str(tmp_path))
