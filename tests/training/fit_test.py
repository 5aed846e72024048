"""Training: parity with google-research/bert, replicas, resuming."""

import json
import shutil

import numpy as np
import pytest
import replicas
import tensorflow as tf
import tf_keras
import xla_on
from tiny_training import exported, make_settings, make_source, train

from data.records import length_buckets
from modeling import layers
from modeling.checkpoints import exporting, loading, location
from modeling.configs import BertConfig
from modeling.models import PreTrainer, released_variables
from system.errors import UserError
from training import fit, pretraining, train_loop
from training.loss_scale import LossScale
from training.optimization import AdamW
from training.resuming import Checkpointer
from training.step_statistics import StepStatistics


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  return make_source(tmp_path_factory.mktemp('source') / 'records')


@pytest.fixture(scope='module')
def whole(source, tmp_path_factory):
  """The folder of an undisturbed run of 20 steps."""
  folder = tmp_path_factory.mktemp('whole')
  train(source, make_settings(folder, save_initial_checkpoint=True))
  return folder


def _metrics(folder):
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


def _assert_near_whole(weights, whole):
  one = tf.train.load_checkpoint(str(whole / 'model.ckpt-20'))
  for name, value in weights.items():
    np.testing.assert_allclose(
      value, one.get_tensor(name), atol=1e-5, err_msg=name
    )


@pytest.mark.slow
def test_two_replicas_train_like_one_device(source, whole, tmp_path):
  # With dropout 0.1, and numbers of masked positions that differ between the
  # replicas' rows.
  strategy = replicas.mirrored()
  _assert_near_whole(train(source, make_settings(tmp_path), strategy), whole)


@pytest.fixture
def compiled_steps(monkeypatch):
  """Compiles steps, for the shapes that steps have without compilation."""
  # A row's dropout mask depends on the row's size.
  monkeypatch.setattr(
    length_buckets, 'few_lengths', length_buckets.bucket_lengths
  )
  with xla_on.compiled_steps():
    yield


@pytest.mark.slow
def test_compiled_steps_train_like_others(
  source, whole, tmp_path, compiled_steps
):
  _assert_near_whole(train(source, make_settings(tmp_path)), whole)
  assert _metrics(tmp_path)[-1] == pytest.approx(_metrics(whole)[-1], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize('num_replicas', [1, 2])
@pytest.mark.parametrize(
  'changes',
  [
    {},
    {'gradient_accumulation_steps': 2},
    {'optimizer': 'lamb', 'adam_bias_correction': True},
  ],
  ids=lambda changes: ','.join(changes) or 'none',
)
def test_compiled_steps_of_replicas_train_like_others(
  source, tmp_path, request, changes, num_replicas
):
  strategy = None
  if num_replicas > 1:
    strategy = replicas.mirrored()
  folders = tmp_path / 'graph', tmp_path / 'compiled'
  expected = train(source, make_settings(folders[0], **changes))
  request.getfixturevalue('compiled_steps')
  found = train(source, make_settings(folders[1], **changes), strategy)
  for name, value in found.items():
    np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['float16', 'float32'])
def test_compiled_steps_skip_the_same_steps(tmp_path, request, precision):
  source = make_source(tmp_path / 'records', nan_in=11)
  folders = tmp_path / 'graph', tmp_path / 'compiled'
  settings = [
    make_settings(folder, precision=precision, skip_nonfinite_steps=10)
    for folder in folders
  ]
  expected = train(source, settings[0])
  request.getfixturevalue('compiled_steps')
  found = train(source, settings[1])
  tolerance = 1e-5 if precision == 'float32' else 2e-3
  for name, value in found.items():
    np.testing.assert_allclose(
      value, expected[name], atol=tolerance, err_msg=name
    )
  for ours, theirs in zip(*map(_metrics, folders), strict=True):
    for name in ('skipped_steps', 'loss_scale', 'step'):
      assert ours.get(name) == theirs.get(name)
  assert any(metrics['skipped_steps'] for metrics in _metrics(folders[0]))


@pytest.mark.slow
@pytest.mark.parametrize('parts', [1, pytest.param(2, marks=pytest.mark.slow)])
def test_accumulated_gradients_train_like_the_whole_batch(
  source, whole, tmp_path, parts
):
  # A part has four rows, which hold 0 to 16 masked positions.
  strategy = replicas.mirrored(parts)
  settings = make_settings(tmp_path, gradient_accumulation_steps=4 // parts)
  _assert_near_whole(train(source, settings, strategy), whole)
  for ours, expected in zip(_metrics(tmp_path), _metrics(whole), strict=True):
    assert ours == pytest.approx(expected, rel=1e-4)


def test_a_batch_that_cannot_be_cut_is_refused():
  settings = make_settings('', gradient_accumulation_steps=8)
  settings.check_fits(num_replicas=2, num_layers=2)
  with pytest.raises(
    UserError,
    match='`train_batch_size`=16 .* 24 .*_accumulation_steps`=8 .* 3 rep.*'
    '`distribution_strategy`=one_device takes a single one',
  ):
    settings.check_fits(num_replicas=3, num_layers=2)


class _Killed(BaseException):
  pass


def _train_and_die(source, settings, killed_after, monkeypatch):
  """Trains, and is killed once the checkpoint of a step is saved."""
  save = Checkpointer.save

  def save_and_die(self, step):
    save(self, step)
    if step == killed_after:
      raise _Killed

  with monkeypatch.context() as patch:
    patch.setattr(Checkpointer, 'save', save_and_die)
    with pytest.raises(_Killed):
      train(source, settings)


@pytest.mark.slow
def test_the_options_together_train_and_resume_with_the_same_bytes(
  source, tmp_path, monkeypatch
):
  # The scale doubles at every step and is soon too large: steps are skipped.
  monkeypatch.setattr(fit, 'LossScale', lambda: LossScale(growth_steps=1))
  alone, killed = (
    make_settings(
      tmp_path / name,
      log_steps=1,
      freeze='1',
      gradient_accumulation_steps=2,
      layer_decay=0.5,
      optimizer='lamb',
      precision='float16',
      save_initial_checkpoint=True,
    )
    for name in ('alone', 'killed')
  )
  weights = train(source, alone)
  _train_and_die(source, killed, 16, monkeypatch)
  train(source, killed)
  assert exported(tmp_path / 'killed', 20) == exported(tmp_path / 'alone', 20)
  lines = _metrics(tmp_path / 'killed')
  assert lines == _metrics(tmp_path / 'alone')
  assert lines[0]['loss_scale'] == 2.0**15
  assert 0 < sum(line['skipped_steps'] for line in lines) < 15
  losses = [line['loss'] for line in lines]
  assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.05
  _assert_frozen(tmp_path / 'alone', weights)


def _assert_frozen(folder, weights):
  """Checks which weights `freeze`=1 kept, and that all are exported."""
  first, last = (
    tf.train.load_checkpoint(str(folder / f'model.ckpt-{step}'))
    for step in (0, 20)
  )
  assert weights.keys() == last.get_variable_to_shape_map().keys()
  assert set(last.get_variable_to_dtype_map().values()) == {tf.float32}
  for name, value in weights.items():
    np.testing.assert_array_equal(value, last.get_tensor(name))
    assert np.array_equal(value, first.get_tensor(name)) == name.startswith(
      ('bert/embeddings/', 'bert/encoder/layer_0/')
    ), name


def test_gradients_that_float16_cannot_hold_end_the_run():
  means = {'loss': 1.0, 'gradient_norm': 0.0}
  means |= {'skipped_steps': 1.0, 'loss_scale': 2.0}
  settings = make_settings('')
  train_loop._check_scale(means, 3, settings)
  with pytest.raises(UserError, match='not finite .* .precision.=bfloat16'):
    train_loop._check_scale({**means, 'loss_scale': 1.0}, 3, settings)


@pytest.mark.parametrize(
  'killed_after', [pytest.param(4, marks=pytest.mark.slow), 16]
)
def test_a_resumed_run_ends_with_the_same_bytes(
  source, whole, tmp_path, killed_after, monkeypatch
):
  # An epoch is 50 / 16 steps, so the 20 steps cross several.
  _train_and_die(source, make_settings(tmp_path), killed_after, monkeypatch)
  # This line was logged after the checkpoint from which the run resumes.
  with open(tmp_path / 'metrics.jsonl', 'a') as log:
    log.write(json.dumps({'step': killed_after + 1, 'loss': 0.0}) + '\n')
  train(source, make_settings(tmp_path))

  assert exported(tmp_path, 20) == exported(whole, 20)
  assert (tmp_path / 'metrics.jsonl').read_text() == (
    whole / 'metrics.jsonl'
  ).read_text()


@pytest.mark.slow
def test_a_run_does_not_depend_on_the_layers_made_before_it(source, tmp_path):
  # If layers were numbered per process, the first attention's queries, keys and
  # values would be dense_98, _99 and _100, which sort in another order.
  tf_keras.backend.clear_session()
  train(source, make_settings(tmp_path / 'first', num_steps=4))
  tf_keras.backend.clear_session()
  for _ in range(98):
    layers.Dense('other', (1, 1), layers.WeightInit(0.02, 0), 'float32')
  train(source, make_settings(tmp_path / 'later', num_steps=4))
  assert exported(tmp_path / 'later', 4) == exported(tmp_path / 'first', 4)


@pytest.mark.slow
def test_a_run_killed_between_its_two_checkpoints_exports_the_second(
  source, whole, tmp_path, monkeypatch
):
  export = exporting.export

  def export_until_16(output_dir, step, *arguments):
    if step == 16:
      raise KeyboardInterrupt
    return export(output_dir, step, *arguments)

  with monkeypatch.context() as patch:
    patch.setattr(exporting, 'export', export_until_16)
    with pytest.raises(KeyboardInterrupt):
      train(source, make_settings(tmp_path))
  assert not (tmp_path / 'model.ckpt-16.index').exists()
  train(source, make_settings(tmp_path))
  assert exported(tmp_path, 16) == exported(whole, 16)


def test_a_run_killed_before_it_named_its_last_checkpoint_names_it(
  source, whole, tmp_path
):
  shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
  (tmp_path / 'checkpoint').write_text('model_checkpoint_path: "model.ckpt-16"')
  train(source, make_settings(tmp_path))
  assert location.locate(str(tmp_path)).prefix == str(
    tmp_path / 'model.ckpt-20'
  )


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
  weight = tf.Variable([1.0, np.nan], name='w')
  optimizer = AdamW([weight], 1e-3, num_steps=1, num_warmup_steps=0)
  saver = Checkpointer(
    str(tmp_path), {'w': weight}, optimizer, StepStatistics(), pytest.fail
  )
  with pytest.raises(UserError, match='w is not finite at step 1'):
    saver.save(1)
  assert not list(tmp_path.rglob('ckpt-*'))


def _damage(path, how):
  content = bytearray(path.read_bytes())
  if how == 'flipped':
    content[len(content) // 2] ^= 0xFF
  path.write_bytes(content[:40] if how == 'cut short' else content)


@pytest.mark.slow
@pytest.mark.parametrize('how', ['flipped', 'cut short'])
def test_a_damaged_checkpoint_is_skipped_and_named(
  source, whole, tmp_path, how, caplog
):
  shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
  _damage(tmp_path / 'checkpoints' / 'ckpt-20.data-00000-of-00001', how)
  (tmp_path / 'checkpoints' / 'checkpoint').write_text('nonsense')
  train(source, make_settings(tmp_path))
  assert 'ckpt-20 is damaged and is skipped' in caplog.text
  assert 'Resumed at step 16' in caplog.text
  assert exported(tmp_path, 20) == exported(whole, 20)


def test_a_run_with_no_whole_checkpoint_ends_with_advice(
  source, whole, tmp_path
):
  shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
  for path in (tmp_path / 'checkpoints').glob('ckpt-*.data*'):
    _damage(path, 'cut short')
  with pytest.raises(
    UserError, match='checkpoints can be read. Remove /.* to start'
  ):
    train(source, make_settings(tmp_path))
  assert exported(tmp_path, 20) == exported(whole, 20)


def test_a_finished_run_does_not_train_again(source, whole, caplog):
  caplog.set_level('INFO')
  before = exported(whole, 20)
  train(source, make_settings(whole))
  assert 'This run has finished: all 20 steps are done' in caplog.text
  assert exported(whole, 20) == before


@pytest.mark.slow
def test_a_warm_start_begins_with_the_given_weights(source, whole, tmp_path):
  train(
    source,
    make_settings(tmp_path, num_steps=1, seed=8, save_initial_checkpoint=True),
    init_checkpoint=str(whole),
  )
  assert exported(tmp_path, 0) == exported(whole, 20)


def test_every_variable_is_trained(whole):
  first, last = (
    tf.train.load_checkpoint(str(whole / f'model.ckpt-{step}'))
    for step in (0, 20)
  )
  for name in last.get_variable_to_shape_map():
    assert np.any(first.get_tensor(name) != last.get_tensor(name)), name


def test_the_host_stops_at_multiples_of_each_stride_and_at_the_end():
  settings = make_settings(
    '', save_checkpoints_steps=4, log_steps=3, iterations_per_loop=5
  )
  stops, step = [], 0
  while step < 20:
    step = settings.next_stop(step)
    stops.append(step)
  assert stops == [3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20]


@pytest.mark.slow
def test_metrics_are_means_over_the_steps_since_the_last_stop(
  source, whole, tmp_path
):
  train(source, make_settings(tmp_path, log_steps=1))
  each = _metrics(tmp_path)
  assert [line['step'] for line in each] == list(range(1, 21))
  first = 0
  for line in _metrics(whole):
    steps = each[first : line['step']]
    for name in ('loss', 'masked_lm_loss', 'next_sentence_loss'):
      mean = np.mean([step[name] for step in steps])
      np.testing.assert_allclose(line[name], mean, rtol=1e-5)
    first = line['step']
  assert first == 20


def test_tensorboard_shows_the_logged_values_and_the_speed(whole):
  points = {}
  for path in (whole / 'events').iterdir():
    for raw in tf.data.TFRecordDataset(str(path)):
      event = tf.compat.v1.Event.FromString(raw.numpy())
      for value in event.summary.value:
        number = float(tf.make_ndarray(value.tensor))
        points.setdefault(value.tag, {})[event.step] = number
  speeds = points.pop('examples_per_second')
  lines = [
    json.loads(line)
    for line in (whole / 'metrics.jsonl').read_text().splitlines()
  ]
  expected = {
    name: {line['step']: pytest.approx(line[name]) for line in lines}
    for name in lines[0]
    if name != 'step'
  }
  assert points == expected
  assert {'loss', 'masked_lm_loss', 'next_sentence_loss'} < points.keys()
  assert {'learning_rate', 'gradient_norm'} < points.keys()
  assert speeds.keys() == points['loss'].keys()
  assert min(speeds.values()) > 0


def test_eight_steps_equal_those_of_google_research_bert(fixtures_dir):
  folder = fixtures_dir / 'reference_bert'
  inputs = np.load(folder / 'expected_forward.npz')
  expected = np.load(folder / 'expected_training.npz')
  model = PreTrainer(BertConfig.from_json_file(f'{folder}/bert_config.json'))
  variables = released_variables(model)
  loading.load_released(location.locate(str(folder)), variables)
  before = {name: value.numpy() for name, value in variables.items()}
  optimizer = AdamW(
    list(variables.values()), 1e-3, num_steps=10, num_warmup_steps=4
  )
  batch = {
    name: tf.constant(source[name])
    for source, names in (
      (inputs, ['input_ids', 'input_mask', 'segment_ids']),
      (inputs, ['masked_lm_positions']),
      (expected, ['masked_lm_ids', 'next_sentence_labels']),
    )
    for name in names
  }
  weights = expected['masked_lm_weights'].astype(np.float32)
  batch['masked_lm_weights'] = tf.constant(weights)
  batch['masked_lm_denominator'] = tf.constant(weights.sum() + 1e-5)
  batch['example_denominator'] = tf.constant(6.0)
  loss_function = pretraining.make_loss_function(model)

  seen_losses, seen_rates = [], []
  for _ in range(8):
    with tf.GradientTape() as tape:
      values = loss_function(batch, None)
    seen_losses.append(float(values['loss']))
    gradients = tape.gradient(values['loss'], list(variables.values()))
    optimizer.apply([tf.convert_to_tensor(g) for g in gradients])
    seen_rates.append(float(optimizer.last_learning_rate()))

  np.testing.assert_allclose(seen_rates, expected['learning_rates'], atol=1e-9)
  np.testing.assert_allclose(seen_losses, expected['losses'], atol=1e-4)
  after = {
    name.removeprefix('after/'): expected[name]
    for name in expected.files
    if name.startswith('after/')
  }
  assert after.keys() == variables.keys()
  for name, value in variables.items():
    np.testing.assert_allclose(value, after[name], atol=1e-4, err_msg=name)
    assert np.any(value.numpy() != before[name]), f'{name} has not changed'
