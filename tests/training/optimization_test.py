"""AdamW, LAMB and the learning rate, against values worked out by hand."""

import numpy as np
import pytest
import replicas
import tensorflow as tf

from training.loss_scale import LossScale
from training.optimization import (
  AdamW,
  Lamb,
  has_weight_decay,
  learning_rate_at,
)
from training.step_statistics import UnitLossScale


@pytest.mark.parametrize(
  ('step', 'expected'), [(0, 0.0), (1, 0.25), (4, 0.6), (9, 0.1), (12, 0.0)]
)
def test_the_learning_rate_rises_then_falls(step, expected):
  rate = learning_rate_at(tf.constant(step, tf.int64), 1.0, 10, 4)
  np.testing.assert_allclose(rate, expected, atol=1e-6)


def test_without_warm_up_the_first_step_has_the_peak_rate():
  assert float(learning_rate_at(tf.constant(0, tf.int64), 0.5, 10, 0)) == 0.5


def test_biases_and_layer_norms_do_not_decay():
  assert has_weight_decay('bert/pooler/dense/kernel:0')
  assert has_weight_decay('cls/seq_relationship/output_weights:0')
  assert not has_weight_decay('bert/pooler/dense/bias:0')
  assert not has_weight_decay('bert/embeddings/LayerNorm/gamma:0')
  assert not has_weight_decay('output_bias:0')


def _one_step(name, value, gradient, **options):
  variable = tf.Variable([value], name=name)
  optimizer = AdamW([variable], 0.1, 10, 0, **options)
  measures = optimizer.apply([tf.constant([gradient])])
  assert list(measures) == ['gradient_norm']
  return float(variable[0]), float(measures['gradient_norm'])


def test_the_first_update_is_not_corrected_for_bias():
  # m = 0.1 * 0.5, v = 0.001 * 0.25: the update is 0.05 / 0.0158124. The kernel
  # takes 1 - beta_2 in float32, which is 1.3e-5 below 0.001.
  value, norm = _one_step('a/bias', 1.0, 0.5)
  np.testing.assert_allclose(value, 1.0 - 0.1 * 0.05 / 0.015812388, rtol=1e-5)
  assert norm == 0.5


def test_with_bias_correction_the_first_update_is_the_sign_of_the_gradient():
  value, _ = _one_step('a/bias', 1.0, 0.5, bias_correction=True)
  np.testing.assert_allclose(value, 1.0 - 0.1, rtol=1e-5)


@pytest.mark.parametrize('make', [AdamW, Lamb])
def test_epsilon_is_added_after_the_correction_for_bias(make):
  # Corrected, m = sqrt(v) = 1e-6, as large as epsilon: half the rate.
  variable = tf.Variable([1.0], name='a/bias')
  optimizer = make([variable], 0.1, 10, 0, bias_correction=True)
  optimizer.apply([tf.constant([1e-6])])
  np.testing.assert_allclose(variable, [1.0 - 0.1 / 2], rtol=1e-5)


def test_epsilon_is_added_without_a_correction():
  # m = 1e-7, sqrt(v) = 3.16e-8.
  value, _ = _one_step('a/bias', 1.0, 1e-6)
  np.testing.assert_allclose(value, 1.0 - 0.1 * 1e-7 / 1.0316228e-6, rtol=1e-5)


def test_the_slots_are_named_after_their_variables():
  optimizer = AdamW([tf.Variable([1.0], name='a/kernel')], 0.1, 10, 0)
  names = {variable.name for variable in optimizer.variables}
  slots = ['a/kernel/adam_m:0', 'a/kernel/adam_v:0']
  assert names == {'a/kernel:0', *slots, 'step:0'}
  assert [v.name for v in optimizer.trainable_variables] == ['a/kernel:0']


def test_a_missing_gradient_is_refused_before_any_variable_changes():
  variables = [tf.Variable([1.0], name=f'{name}/kernel') for name in 'ab']
  optimizer = AdamW(variables, 0.1, 10, 0)
  with pytest.raises(ValueError, match='shorter'):
    optimizer.apply([tf.constant([0.5])])
  assert float(variables[0][0]) == 1.0


def test_the_loss_is_multiplied_by_the_loss_scale():
  variable = tf.Variable([1.0], name='a/kernel')
  loss = tf.constant(2.0)
  scaled = AdamW([variable], 0.1, 10, 0, loss_scale=LossScale())
  assert float(scaled.scale_loss(loss)) == 2.0**16
  assert float(AdamW([variable], 0.1, 10, 0).scale_loss(loss)) == 2.0


def test_a_step_whose_loss_is_not_finite_is_skipped():
  variable = tf.Variable([1.0], name='a/kernel')
  optimizer = AdamW([variable], 0.1, 10, 0, loss_scale=LossScale())
  measures = optimizer.apply([tf.constant([0.5])], tf.constant(False))
  assert float(measures['skipped_steps']) == 1.0
  assert variable.numpy().tolist() == [1.0]


def test_replicas_skip_a_step_together():
  strategy = replicas.mirrored()
  with strategy.scope():
    variable = tf.Variable([1.0], name='a/kernel')
    optimizer = AdamW([variable], 0.1, 10, 0, loss_scale=LossScale())
  local = strategy.experimental_local_results
  for gradient, skipped in ((np.inf, 1.0), (0.5, 0.0)):
    before = [copy.numpy() for copy in local(variable)]
    measures = strategy.run(optimizer.apply, ([tf.constant([gradient])],))
    counts = [float(count) for count in local(measures['skipped_steps'])]
    assert counts == [skipped, skipped]
    after = [copy.numpy() for copy in local(variable)]
    assert np.array_equal(before, after) == bool(skipped)
    assert after[0] == after[1]


def test_decay_is_decoupled_from_the_moments():
  decayed, _ = _one_step('a/kernel', 1.0, 0.5)
  plain, _ = _one_step('a/bias', 1.0, 0.5)
  np.testing.assert_allclose(plain - decayed, 0.1 * 0.01 * 1.0, rtol=1e-3)


def test_gradients_are_clipped_by_their_joint_norm():
  # The norm of (3, 4) is 5, so the gradients become (0.6, 0.8).
  clipped, small = (
    [tf.Variable([0.0], name=f'{name}/bias') for name in 'ab'] for _ in range(2)
  )
  AdamW(clipped, 0.1, 10, 0).apply([tf.constant([3.0]), tf.constant([4.0])])
  AdamW(small, 0.1, 10, 0).apply([tf.constant([0.6]), tf.constant([0.8])])
  np.testing.assert_allclose(clipped[0], small[0], rtol=1e-5)
  np.testing.assert_allclose(clipped[1], small[1], rtol=1e-5)


@pytest.mark.parametrize('make', [AdamW, Lamb])
@pytest.mark.parametrize('scale', [None, UnitLossScale])
def test_a_variable_without_gradient_does_not_change(make, scale):
  alone, beside, unused = (
    tf.Variable([1.0], name=f'{name}/kernel') for name in 'aab'
  )
  options = {'loss_scale': scale and scale(), 'bias_correction': True}
  gradient = tf.constant([3.0])
  make([alone], 0.1, 10, 0, **options).apply([gradient])
  both = make([beside, unused], 0.1, 10, 0, **options)
  measures = both.apply([gradient, None])
  assert float(measures['gradient_norm']) == 3.0
  assert float(unused[0]) == 1.0
  assert float(beside[0]) == float(alone[0]) != 1.0


def test_a_rate_factor_multiplies_the_whole_update():
  half, whole, double = (tf.Variable([1.0], name='a/kernel') for _ in range(3))
  for variable, factor in ((half, 0.5), (whole, 1.0), (double, 2.0)):
    optimizer = AdamW([variable], 0.1, 10, 0, rate_factors=[factor])
    optimizer.apply([tf.constant([0.5])])
  np.testing.assert_allclose(1 - half, (1 - whole) / 2, rtol=1e-5)
  np.testing.assert_allclose(1 - double, (1 - whole) * 2, rtol=1e-5)


def test_lamb_scales_the_update_to_the_size_of_the_weights():
  # Weights of norm 5, gradients of norm 0.5: nothing is clipped.
  weights = np.array([3.0, 4.0])
  kernel = tf.Variable(weights, dtype=tf.float32, name='a/kernel')
  Lamb([kernel], 0.1, 10, 0).apply([tf.constant([0.3, -0.4])])
  # m / sqrt(v) is plus or minus 0.1 / sqrt(0.001), except for epsilon.
  m, v = 0.1 * np.array([0.3, -0.4]), 0.001 * np.array([0.09, 0.16])
  update = m / (np.sqrt(v) + 1e-6) + 0.01 * weights
  np.testing.assert_allclose(update, [3.192, -3.122], atol=2e-3)
  expected = weights - 0.1 * 5 / np.sqrt(np.sum(update**2)) * update
  np.testing.assert_allclose(kernel, expected, rtol=1e-6)


def test_lamb_scales_small_updates_of_small_weights_too():
  kernel = tf.Variable([0.3, 0.4], name='a/kernel')
  Lamb([kernel], 0.1, 10, 0, bias_correction=True).apply(
    [tf.constant([1e-6, 0.0])]
  )
  # 1e-6 / (1e-6 + epsilon) is 1/2; weights of norm 0.5.
  update = np.array([0.5 + 0.003, 0.004])
  expected = [0.3, 0.4] - 0.1 * 0.5 / np.sqrt(np.sum(update**2)) * update
  np.testing.assert_allclose(kernel, expected, rtol=1e-5)


def test_lamb_has_no_trust_ratio_for_biases_and_for_zeros():
  start = {'a/bias': [3.0, 4.0], 'a/kernel': [0.0, 0.0]}
  lamb, adamw = (
    [tf.Variable(value, name=name) for name, value in start.items()]
    for _ in range(2)
  )
  gradients = [tf.constant([0.3, 0.4]), tf.constant([0.1, 0.2])]
  Lamb(lamb, 0.1, 10, 0).apply(gradients)
  AdamW(adamw, 0.1, 10, 0).apply(gradients)
  for ours, expected in zip(lamb, adamw, strict=True):
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_lamb_with_bias_correction_equals_that_of_tf_models():
  from official.modeling.optimization.lamb import LAMB

  rng = np.random.default_rng(0)
  names = ['a/kernel', 'b/bias', 'c/LayerNorm/gamma']
  ours, theirs = (
    [tf.Variable(tf.ones([2, 3]), name=name) for name in names]
    for _ in range(2)
  )
  # With 10^9 steps the rate practically does not fall.
  optimizer = Lamb(ours, 0.1, 10**9, 0, bias_correction=True)
  oracle = LAMB(
    0.1,
    weight_decay_rate=0.01,
    exclude_from_weight_decay=['LayerNorm', 'bias'],
  )
  for _ in range(4):
    gradients = [
      tf.constant(rng.normal(scale=0.1, size=[2, 3]), tf.float32) for _ in names
    ]
    optimizer.apply(gradients)
    oracle.apply_gradients(zip(gradients, theirs, strict=True))
  for variable, expected in zip(ours, theirs, strict=True):
    np.testing.assert_allclose(variable, expected, rtol=1e-5)


@pytest.mark.parametrize('make', [AdamW, Lamb])
def test_a_step_whose_gradients_overflow_changes_no_weight_and_no_moment(make):
  kernel = tf.Variable([3.0, 4.0], name='a/kernel')
  optimizer = make(
    [kernel], 0.1, 10**9, 0, bias_correction=True, loss_scale=LossScale()
  )
  skipped = optimizer.apply([tf.constant([np.inf, np.nan])])
  assert kernel.numpy().tolist() == [3.0, 4.0]
  assert {k: float(v) for k, v in skipped.items()} == {
    'gradient_norm': 0.0,
    'loss_scale': 2.0**15,
    'skipped_steps': 1.0,
  }
  assert int(optimizer.step) == 1
  # The next step makes the first update, with half the loss scale.
  done = optimizer.apply([tf.constant([0.3, 0.4]) * 2.0**14])
  np.testing.assert_allclose(done['gradient_norm'], 0.5, rtol=1e-6)
  plain = tf.Variable([3.0, 4.0], name='a/kernel')
  make([plain], 0.1, 10**9, 0, bias_correction=True).apply(
    [tf.constant([0.3, 0.4])]
  )
  np.testing.assert_allclose(kernel, plain, rtol=1e-6)
  changing = [v for v in optimizer.variables if v.dtype == tf.float32]
  before = [v.numpy() for v in changing if 'kernel' in v.name]
  again = optimizer.apply([tf.constant([np.inf, 0.0])])
  assert float(again['skipped_steps']) == 1.0
  after = [v.numpy() for v in changing if 'kernel' in v.name]
  assert len(after) == 3  # The weights and both moments.
  np.testing.assert_array_equal(after, before)
