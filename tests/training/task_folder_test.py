"""Evaluation during training, prediction and several seeds, by flags.

Tests `training/task_folder.py`, `training/evaluation.py` and, with
`tests/scripts/run_classifier_test.py`, `training/fine_tuning.py`.
"""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

from data.records import record_reader
from data.tasks import classifier_records, glue
from modeling.checkpoints import exporting, location, tensor_bundle
from system import files
from system.errors import UserError
from training import best_checkpoint, class_scores, evaluation, result_files
from training.evaluation_options import TaskEvaluationOptions
from training.metrics import compute_scores

# 10 epochs of 48 examples in batches of 8 are 60 steps.
_EVALUATING = ['--do_train', '--eval_steps=9', '--metric_for_best=loss']


def _run(world, *arguments, **changes):
  flags = tiny_world.task_flags(world, **changes)
  tiny_world.run('run_classifier', *flags, *arguments)


def _evaluations(folder):
  lines = (folder / 'eval_metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


def _scores(folder, suffix=''):
  lines = (folder / f'eval_results{suffix}.txt').read_text().splitlines()
  pairs = (line.split(' = ') for line in lines)
  return {name: float(value) for name, value in pairs}


def _results(folder, without=()):
  """Returns a run's result files, name → content."""
  names = ('*.ckpt-*', 'metrics.jsonl', 'eval_metrics.jsonl', 'best/*')
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for name in names
    for path in folder.glob(name)
    if path.name not in without
  }


@pytest.fixture(scope='module')
def evaluated_world(tmp_path_factory):
  """A world with a run in `out` that was evaluated during training."""
  folder = tiny_world.make(tmp_path_factory.mktemp('evaluated'))
  _spoil_dev(folder)
  _run(folder, *_EVALUATING, '--do_eval', '--do_predict')
  return folder


def _spoil_dev(world):
  """Flips three labels of dev, so that the loss rises when training is long."""
  path = world / 'task' / 'dev.tsv'
  lines = path.read_text().splitlines()
  for i in (2, 5, 8):
    text, label = lines[i].split('\t')
    lines[i] = f'{text}\t{1 - int(label)}'
  path.write_text('\n'.join(lines) + '\n')


def test_the_best_checkpoint_is_kept_whole_and_evaluated(evaluated_world):
  out = evaluated_world / 'out'
  evaluations = _evaluations(out)
  assert [e['step'] for e in evaluations] == [9, 18, 27, 36, 45, 54, 60]
  best = min(evaluations, key=lambda e: e['eval_loss'])
  # Neither the first nor the last evaluation, which could be best by accident.
  assert 9 < best['step'] < 60
  prefix = f'model.ckpt-{best["step"]}'
  assert sorted(p.name for p in (out / 'best').iterdir()) == [
    *['bert_config.json', 'checkpoint', 'labels.txt'],
    *[f'{prefix}.data-00000-of-00001', f'{prefix}.index'],
    *['model.json', 'tokenizer_config.json', 'vocab.txt'],
  ]
  assert location.locate(str(out / 'best')).prefix == str(out / 'best' / prefix)
  scores = _scores(out)
  assert scores.pop('global_step') == best.pop('step')
  # The final evaluation repeats the best one, bit by bit.
  assert scores == best


def test_an_evaluation_writes_the_scores_of_each_label(evaluated_world):
  out = evaluated_world / 'out'
  rows = result_files.read_predictions(str(out / 'predictions.tsv'))
  assert 'label' not in rows[0]  # The scores are of dev, not of test.
  confusion = class_scores.read_confusion(str(out / 'eval_confusion.tsv'))
  assert confusion.labels == ('0', '1') and confusion.counts.sum() == 11
  accuracy = np.trace(confusion.counts) / 11
  assert accuracy == pytest.approx(_scores(out)['eval_accuracy'])
  header, *rows = result_files.read_table(str(out / 'eval_classes.tsv'))
  assert [int(row[header.index('support')]) for row in rows] == (
    confusion.counts.sum(axis=1).tolist()
  )


@pytest.mark.slow
def test_the_best_checkpoint_can_be_that_of_a_label_s_score(world):
  _spoil_dev(world)
  flags = {'task_name': 'custom', 'labels': '0,1', 'num_train_epochs': 3}
  jobs = ['--do_train', '--do_eval', '--eval_steps=9']
  _run(world, *jobs, '--metric_for_best=recall:0', **flags)
  values = [e['eval_recall:0'] for e in _evaluations(world / 'out')]
  best = _evaluations(world / 'out')[values.index(max(values))]
  scores = _scores(world / 'out')
  assert scores.pop('global_step') == best['step']
  # Its name could break the lines of eval_results.txt.
  assert 'eval_recall:0' not in scores
  assert scores['eval_macro_f1'] == best['eval_macro_f1']
  rows = result_files.read_table(str(world / 'out' / 'eval_classes.tsv'))
  assert rows[1][:3:2] == ['0', repr(max(values))]


@pytest.mark.parametrize(
  ('metric', 'message'),
  [
    ('auc', "undefined: --eval_split=dev has no example with the label '1'"),
    ('f1:1', "undefined: --eval_split=dev has no example with the label '1'"),
    ('f1:2', "custom has accuracy, macro_f1.*; the labels are '0', '1'$"),
    (
      'f1_score',
      'auc, f1, .*, loss, and f1:LABEL, precision:LABEL, rec.* of a',
    ),
    ('expected_calibration_error', 'custom has accuracy, macro_f1'),
  ],
)
def test_a_score_that_cannot_select_is_refused(world, metric, message):
  path = world / 'task' / 'dev.tsv'
  path.write_text(path.read_text().replace('\t1', '\t0'))
  flags = {'task_name': 'custom', 'metric_for_best': metric, 'eval_steps': 9}
  with pytest.raises(UserError, match=message):
    _run(world, '--do_train', **flags)
  assert not (world / 'out').exists()


@pytest.mark.slow
def test_a_dev_split_of_one_label_is_evaluated(world, caplog):
  path = world / 'task' / 'dev.tsv'
  path.write_text(path.read_text().replace('\t1', '\t0'))
  flags = {'task_name': 'custom', 'num_train_epochs': 1}
  _run(world, '--do_train', '--do_eval', '--num_seeds=2', **flags)
  assert np.isnan(_scores(world / 'out' / 'seed-12345')['eval_auc'])
  assert "has the label '1': recall is undefined" in caplog.text
  report = files.read_json(str(world / 'out' / 'seeds.json'))
  assert report['summary']['eval_auc']['std'] is None


@pytest.mark.slow
@pytest.mark.parametrize('evaluates', [(), ('--eval_steps=9',)])
def test_a_calibrated_model_keeps_its_labels_and_improves_its_loss(
  world, evaluates, caplog
):
  _spoil_dev(world)
  out, flags = world / 'out', {'num_train_epochs': 6}
  predicts = ['--do_eval', '--do_predict', '--predict_split=dev']
  _run(world, '--do_train', *predicts, *evaluates, **flags)
  before = _scores(out)
  rows = result_files.read_predictions(str(out / 'predictions.tsv'))
  # An existing model is calibrated, and later commands use its temperature.
  _run(world, '--do_eval', '--calibrate')
  _run(world, *predicts)
  folder = out / 'best' if evaluates else out
  temperature = json.loads((folder / 'model.json').read_text())['temperature']
  assert f'dev: temperature {temperature:.4f}; log loss' in caplog.text
  after = _scores(out)
  assert after['eval_loss'] < before['eval_loss']
  assert after['eval_accuracy'] == before['eval_accuracy']
  calibrated = result_files.read_predictions(str(out / 'predictions.tsv'))
  for old, new in zip(rows, calibrated, strict=True):
    assert new['prediction'] == old['prediction']
    odds = float(old['probability_1']) / float(old['probability_0'])
    expected = odds ** (1 / temperature)
    found = float(new['probability_1']) / float(new['probability_0'])
    assert found == pytest.approx(expected, rel=1e-4)
  # Training on drops it.
  flags = {'num_train_epochs': 8, 'init_checkpoint': out}
  _run(world, '--do_train', **flags, output_dir=world / 'more')
  assert 'temperature' not in (world / 'more' / 'model.json').read_text()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'regression': True}, '--calibrate cannot take effect: custom predicts'),
    ({'task_name': 'AX'}, '--calibrate cannot take effect: AX is a test set'),
  ],
)
def test_what_cannot_be_calibrated_is_refused(world, changes, message):
  flags = {'task_name': 'custom', **changes}
  with pytest.raises(UserError, match=message):
    _run(world, '--do_predict', '--calibrate', **flags)
  assert not (world / 'out').exists()


def test_calibration_before_a_prediction_reads_dev(world):
  task, folder = glue.get_task('SST-2'), str(world / 'task')
  options = TaskEvaluationOptions(do_predict=True, calibrate=True)
  assert options.splits() == ['dev', 'test']
  assert [*evaluation.read_splits(task, folder, options)] == ['dev', 'test']


def test_calibration_and_evaluation_score_their_own_splits(
  evaluated_world, tmp_path
):
  world = shutil.copytree(evaluated_world, tmp_path, dirs_exist_ok=True)
  rows = (world / 'task' / 'train.tsv').read_text().splitlines()[:5]
  (world / 'task' / 'test.tsv').write_text('\n'.join(rows) + '\n')
  jobs = ['--do_eval', '--calibrate', '--eval_split=test']
  _run(world, *jobs, task_name='custom')
  confusion = class_scores.read_confusion(f'{world}/out/eval_confusion.tsv')
  assert confusion.counts.sum() == 4


def test_the_identity_holds_what_decides_the_best_checkpoint(world):
  task = glue.get_task('SST-2')
  options = TaskEvaluationOptions(
    eval_steps=9, early_stopping_patience=2, metric_for_best='loss'
  )
  splits = evaluation.read_splits(task, str(world / 'task'), options)
  assert evaluation.identity(task, splits, options) == {
    'early_stopping_patience': 2,
    'eval_data': classifier_records.checksum(splits['dev']),
    'eval_steps': 9,
    'metric_for_best': 'loss',
  }
  assert evaluation.identity(task, {}, TaskEvaluationOptions()) == {}


@pytest.mark.slow
def test_later_commands_use_the_best_checkpoint(
  evaluated_world, tmp_path, caplog
):
  world = shutil.copytree(evaluated_world, tmp_path, dirs_exist_ok=True)
  before = (world / 'out' / 'predictions.tsv').read_bytes()
  for name in ('predictions.tsv', 'eval_results.txt'):
    (world / 'out' / name).unlink()
  _run(world, '--do_eval', '--do_predict')
  assert "Using the run's best checkpoint" in caplog.text
  assert (world / 'out' / 'predictions.tsv').read_bytes() == before
  # Without a best checkpoint they use the last one.
  shutil.rmtree(world / 'out' / 'best')
  _run(world, '--do_eval')
  assert _scores(world / 'out')['global_step'] == 60


@pytest.mark.slow
def test_a_run_s_folder_starts_and_teaches_with_the_best_checkpoint(
  evaluated_world, world, caplog
):
  best = location.locate(str(evaluated_world / 'out' / 'best'))
  flags = {'init_checkpoint': evaluated_world / 'out', 'num_train_epochs': 1}
  _run(world, '--do_train', **flags)
  assert f' variables from {best.prefix}' in caplog.text
  flags = tiny_world.named_flags(
    {
      'task_name': 'SST-2',
      'data_dir': world / 'task',
      'vocab_file': world / 'vocab.txt',
      'max_seq_length': 16,
      'teacher_checkpoint': evaluated_world / 'out',
      'transfer_split': 'train',
      'logits_dir': world / 'dump',
    }
  )
  tiny_world.run('run_distillation', '--do_dump_logits', *flags)
  manifest = json.loads((world / 'dump' / 'manifest.json').read_text())
  assert manifest['teacher'] == best.prefix


@pytest.mark.slow
def test_a_best_checkpoint_elsewhere_keeps_its_labels_and_casing(
  evaluated_world, world
):
  _spoil_dev(world)
  copy = shutil.copytree(evaluated_world / 'out' / 'best', world / 'shipped')
  flags = {'init_checkpoint': copy, 'output_dir': world / 'new'}
  with pytest.raises(
    UserError, match='order 1, 0; .*shipped/labels.txt are 0,'
  ):
    _run(world, '--do_eval', task_name='custom', labels='1,0', **flags)
  with pytest.raises(
    UserError, match='shipped/tokenizer_config.json says that'
  ):
    _run(world, '--do_eval', do_lower_case=False, **flags)
  _run(world, '--do_eval', task_name='custom', **flags)
  expected = _scores(evaluated_world / 'out')['eval_loss']
  assert _scores(world / 'new')['eval_loss'] == expected


@pytest.mark.slow
def test_logits_in_another_order_are_matched_by_the_labels_names(
  evaluated_world, world
):
  """The head's rows are exchanged, and config.json says so."""
  _spoil_dev(world)
  best = location.locate(str(evaluated_world / 'out' / 'best'))
  values = tensor_bundle.read(best.prefix)
  for name in ('output_weights', 'output_bias'):
    values[name] = values[name][::-1]
  exported = world / 'exchanged'
  exported.mkdir()
  exporting.write_released(str(exported / 'bert_model.ckpt'), values)
  (exported / 'config.json').write_text(
    '{"id2label": {"0": "POSITIVE", "1": "NEGATIVE"}}'
  )
  flags = {'init_checkpoint': exported, 'output_dir': world / 'new'}
  _run(world, '--do_eval', '--do_predict', **flags)
  for name in ('test_results.tsv', 'predictions.tsv'):
    assert (world / 'new' / name).read_bytes() == (
      evaluated_world / 'out' / name
    ).read_bytes()
  expected = _scores(evaluated_world / 'out')['eval_loss']
  assert _scores(world / 'new')['eval_loss'] == expected
  # A warm start keeps the head, and its order.
  flags = {**flags, 'output_dir': world / 'warm', 'num_train_epochs': 1}
  _run(world, '--do_train', '--save_initial_checkpoint', **flags)
  start = tensor_bundle.read(str(world / 'warm' / 'model.ckpt-0'))
  np.testing.assert_array_equal(
    start['output_weights'], values['output_weights'][::-1]
  )


@pytest.mark.slow
def test_evaluation_does_not_change_the_training(evaluated_world, world):
  _run(world, '--do_train')
  for suffix in ('.index', '.data-00000-of-00001'):
    name = f'model.ckpt-60{suffix}'
    evaluated = (evaluated_world / 'out' / name).read_bytes()
    assert (world / 'out' / name).read_bytes() == evaluated
  assert not (world / 'out' / 'best').exists()
  assert not (world / 'out' / 'eval_metrics.jsonl').exists()


def test_scores_are_in_tensorboard(evaluated_world):
  (path,) = (evaluated_world / 'out' / 'events').iterdir()
  seen = [
    (value.tag, event.step)
    for event in tf.compat.v1.train.summary_iterator(str(path))
    for value in event.summary.value
  ]
  assert {('eval_accuracy', 9), ('eval_loss', 60), ('loss', 9)} < set(seen)
  assert len(set(seen)) == len(seen)


@pytest.mark.slow
@pytest.mark.parametrize('moment', ['before the line', 'after the line'])
def test_a_run_killed_at_an_evaluation_ends_with_the_same_bytes(
  evaluated_world, world, moment, monkeypatch
):
  _spoil_dev(world)
  # Checkpoints at 20 and 40, killed at 36: the resumed run repeats 27.
  flags = [*_EVALUATING, '--save_checkpoints_steps=20']
  run = best_checkpoint.Evaluation.run

  def killed_at_36(self, step):
    if step == 36 and moment == 'before the line':
      raise KeyboardInterrupt
    scores = run(self, step)
    if step == 36:
      raise KeyboardInterrupt
    return scores

  with monkeypatch.context() as patch:
    patch.setattr(best_checkpoint.Evaluation, 'run', killed_at_36)
    with pytest.raises(KeyboardInterrupt):
      _run(world, *flags)
  assert _evaluations(world / 'out')[-1]['step'] >= 27
  _run(world, *flags)
  alone, again = evaluated_world / 'out', world / 'out'
  extra = {f'model.ckpt-{n}' for n in (20, 40)}
  expected = _results(alone, without=('metrics.jsonl',))
  found = {
    name: content
    for name, content in _results(again, without=('metrics.jsonl',)).items()
    if name.split('.index')[0].split('.data')[0] not in extra
  }
  assert found == expected


@pytest.mark.slow
def test_a_run_that_stopped_early_does_not_resume(world, caplog):
  _spoil_dev(world)
  flags = [*_EVALUATING, '--early_stopping_patience=1', '--do_eval']
  _run(world, *flags)
  out = world / 'out'
  losses = [e['eval_loss'] for e in _evaluations(out)]
  # Each loss except the last is lower than the one before.
  assert losses == [*sorted(losses[:-1], reverse=True), losses[-1]]
  assert losses[-1] >= losses[-2]
  last = _evaluations(out)[-1]['step']
  assert last < 60 and (out / f'model.ckpt-{last}.index').exists()
  assert _scores(out)['global_step'] == last - 9
  before = _results(out)
  caplog.clear()
  _run(world, *flags)
  assert f'This run has stopped early, at step {last} of 60' in caplog.text
  assert _results(out) == before


def test_another_evaluation_in_the_same_folder_is_refused(
  evaluated_world, tmp_path
):
  world = shutil.copytree(evaluated_world, tmp_path, dirs_exist_ok=True)
  with pytest.raises(UserError, match='eval_steps: 9 there, None now'):
    _run(world, '--do_train')


def test_two_evaluations_at_the_same_time_read_their_own_records(
  evaluated_world, tmp_path, monkeypatch
):
  world = shutil.copytree(evaluated_world, tmp_path, dirs_exist_ok=True)
  expected = _scores(world / 'out')
  write = classifier_records.write_records
  written = []

  def write_beside_another(path, examples, *more):
    write(path, examples, *more)
    written.append(path)
    # The other process evaluates as many texts, in another order.
    write(str(world / 'out' / 'eval.tf_record'), examples[::-1], *more)

  monkeypatch.setattr(classifier_records, 'write_records', write_beside_another)
  _run(world, '--do_eval')
  assert _scores(world / 'out') == expected
  assert not files.exists(written[0])
  assert not list((world / 'out').glob('.*.tmp*'))
  assert sum(1 for _ in record_reader.read(f'{world}/out/eval.tf_record')) == 11


@pytest.mark.parametrize(
  'split', [pytest.param('dev', marks=pytest.mark.slow), 'test']
)
def test_predictions_of_a_labelled_split_agree_with_evaluation(
  evaluated_world, tmp_path, split
):
  world = shutil.copytree(evaluated_world, tmp_path, dirs_exist_ok=True)
  labelled = (world / 'task' / 'dev.tsv').read_text()
  (world / 'task' / 'test.tsv').write_text(labelled)
  # The flags give the labels in another order than the model was trained with.
  # labels.txt would make that an error; a model from elsewhere has none.
  for folder in ('out', 'out/best'):
    (world / folder / 'labels.txt').unlink()
  _run(
    world,
    *['--do_eval', '--do_predict', f'--eval_split={split}'],
    f'--predict_split={split}',
    task_name='custom',
    labels='1,0',
  )
  speed = json.loads((world / 'out' / 'eval_speed.json').read_text())
  assert speed['split'] == split
  rows = result_files.read_predictions(str(world / 'out' / 'predictions.tsv'))
  lines = labelled.splitlines()[1:]
  assert [row['label'] for row in rows] == [x.split('\t')[1] for x in lines]
  assert [row['example_id'] for row in rows] == [str(i) for i in range(11)]
  accuracy = compute_scores(
    ['accuracy'],
    [row['label'] for row in rows],
    [row['prediction'] for row in rows],
  )['accuracy']
  assert accuracy == _scores(world / 'out')['eval_accuracy']
  probabilities = np.float32(
    [[row['probability_1'], row['probability_0']] for row in rows]
  )
  table = np.loadtxt(world / 'out' / 'test_results.tsv', dtype=np.float32)
  np.testing.assert_array_equal(probabilities, table)
  best = np.array(['1', '0'])[probabilities.argmax(axis=1)]
  assert [row['prediction'] for row in rows] == best.tolist()


@pytest.mark.slow
def test_mnli_uses_both_dev_and_both_test_sets(world):
  labels = ('contradiction', 'entailment', 'neutral')
  header = 'index\tsentence1\tsentence2'
  for split, count in (
    ('train', 12),
    *[('dev_matched', 6), ('dev_mismatched', 9)],
    *[('test_matched', 4), ('test_mismatched', 5)],
  ):
    is_test = split.startswith('test')
    rows = [header + '\tgold_label' * (not is_test)]
    for i in range(count):
      rows.append(
        f'{i}\tthe film\tthe plot' + f'\t{labels[i % 3]}' * (not is_test)
      )
    (world / 'task' / f'{split}.tsv').write_text('\n'.join(rows) + '\n')
  jobs = ['--do_train', '--do_eval', '--do_predict']
  _run(world, *jobs, task_name='MNLI', num_train_epochs=1)
  out = world / 'out'
  # All inputs are equal, so a third of each split is right.
  for suffix in ('', '_mismatched'):
    assert _scores(out, suffix)['eval_accuracy'] == pytest.approx(1 / 3)
  for suffix, count in (('', 4), ('_mismatched', 5)):
    path = str(out / f'predictions{suffix}.tsv')
    assert len(result_files.read_predictions(path)) == count
    lines = (out / f'test_results{suffix}.tsv').read_text().splitlines()
    assert len(lines) == count

  (out / 'eval_results.txt').unlink()
  _run(world, '--do_eval', '--eval_split=dev_mismatched', task_name='MNLI')
  assert not (out / 'eval_results.txt').exists()


@pytest.mark.slow
def test_each_of_several_seeds_equals_a_run_of_that_seed(world, caplog):
  jobs = ['--do_train', '--do_eval']
  changes = {'num_train_epochs': 2, 'seed': 3}
  _run(world, *jobs, '--num_seeds=2', **changes)
  out = world / 'out'
  alone = {'num_train_epochs': 2, 'seed': 4, 'output_dir': world / 'alone'}
  _run(world, *jobs, **alone)
  assert _results(out / 'seed-4') == _results(world / 'alone') != {}
  assert _results(out / 'seed-3') != _results(out / 'seed-4')
  report = json.loads((out / 'seeds.json').read_text())
  assert list(report['scores']) == ['3', '4']
  each = [_scores(out / f'seed-{n}')['eval_loss'] for n in (3, 4)]
  assert report['summary']['eval_loss']['median'] == pytest.approx(
    np.mean(each)
  )
  assert report['summary']['eval_loss']['highest'] == max(each)
  # The recorded commands start all runs, or one of them, again.
  for folder, number, seed in ((out, 2, 3), (out / 'seed-4', 1, 4)):
    command = json.loads((folder / 'run.json').read_text())['command']
    expected = [f'--num_seeds={number}', f'--seed={seed}']
    assert {*expected, f'--output_dir={folder}'} < set(command['flags'])

  caplog.clear()
  before = _results(out / 'seed-3')
  tiny_world.run('run_classifier', f'--from_run={out}', '--num_seeds=3')
  assert caplog.text.count('This run has finished: all 12 steps') == 3
  assert caplog.text.count('Resumed at step 12') == 2
  assert _results(out / 'seed-3') == before
  report = json.loads((out / 'seeds.json').read_text())
  assert list(report['scores']) == ['3', '4', '5']
  recorded = json.loads((out / 'run.json').read_text())['command']['flags']
  assert '--num_seeds=3' in recorded
  with pytest.raises(UserError, match='learning_rate: .* there, 0.5 now'):
    _run(world, *jobs, '--num_seeds=3', **changes, learning_rate=0.5)
  again = json.loads((out / 'run.json').read_text())['command']['flags']
  assert again == recorded
  # Seed 2 has no folder yet, and does not train before seed 3 is refused.
  changes['seed'] = 2
  with pytest.raises(UserError, match='seed-3 holds .*learning_rate: .*5 now'):
    _run(world, *jobs, '--num_seeds=2', **changes, learning_rate=0.5)
  assert not (out / 'seed-2').exists()


def test_a_checkpoint_without_a_head_is_not_scored(teacher_world):
  folder = teacher_world / 'pretrained'
  folder.mkdir()
  teacher = tf.train.load_checkpoint(str(teacher_world / 'teacher'))
  weights = {
    name: teacher.get_tensor(name)
    for name in teacher.get_variable_to_shape_map()
    if name.startswith('bert/')
  }
  exporting.write_released(str(folder / 'bert_model.ckpt'), weights)
  for job in ('--do_eval', '--do_predict'):
    with pytest.raises(UserError, match='has no head .* pre-trained only'):
      _run(teacher_world, job, init_checkpoint=folder)
  assert not (teacher_world / 'out' / 'eval_results.txt').exists()


@pytest.mark.slow
def test_an_untrained_head_gives_a_warning(teacher_world, caplog):
  checkpoint = teacher_world / 'teacher' / 'model.ckpt'
  _run(teacher_world, '--do_eval', init_checkpoint=f'{checkpoint}-60')
  assert 'is untrained' not in caplog.text
  _run(teacher_world, '--do_eval', init_checkpoint=f'{checkpoint}-0')
  assert 'ckpt-0 is untrained (its bias is all zeros)' in caplog.text


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (
      ['--do_eval', '--eval_steps=5'],
      '--eval_steps cannot take effect: --do_t',
    ),
    (
      ['--do_train', '--early_stopping_patience=2'],
      '--early_stopping_patience cannot take effect: --eval_steps',
    ),
    (
      ['--do_train', '--metric_for_best=loss'],
      '--metric_for_best cannot take effect: --eval_steps',
    ),
    (
      ['--do_train', '--eval_steps=5', '--metric_for_best=f1'],
      '--metric_for_best=f1: SST-2 has accuracy, loss',
    ),
    (
      ['--do_train', '--eval_steps=5', '--eval_split=test'],
      '--eval_split=test: .*test.tsv has no labels',
    ),
    (
      ['--do_train', '--eval_split=dev'],
      'neither --do_eval nor --eval_steps is given',
    ),
    (['--do_train', '--predict_split=dev'], '--do_predict is not given'),
    (['--do_train', '--num_seeds=2'], '--num_seeds=2 needs --do_eval'),
    (
      ['--do_predict', '--predict_split=best'],
      "has no split 'best'; it has train, dev, test",
    ),
  ],
)
def test_contradictory_flags_are_refused_before_training(
  world, arguments, message
):
  with pytest.raises(UserError, match=message):
    _run(world, *arguments)
  assert not (world / 'out').exists()
