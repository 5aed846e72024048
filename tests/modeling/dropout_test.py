"""Tests of modeling/dropout.py."""

import numpy as np
import pytest
import tensorflow as tf

from modeling import dropout
from modeling.dropout import DropoutKey, stateless_dropout


def make_key(seed=1, step=0, first_example=0):
  return DropoutKey(
    seed,
    tf.constant(step, tf.int64),
    tf.constant(first_example, tf.int64),
  )


def mask(shape, rate=0.5, site=0, **key):
  """Returns a dropout mask, bool of a shape; True is kept."""
  return stateless_dropout(tf.ones(shape), rate, make_key(**key), site) != 0


# Rows of 1, 3, 15, 16, 27 and 2 x 3 x 5 decisions; a counter gives 8.
ROW_SHAPES = [[1], [3], [5, 3], [16], [3, 3, 3], [2, 3, 5]]


@pytest.mark.parametrize('row_shape', ROW_SHAPES)
@pytest.mark.parametrize('sizes', [[3, 4], [1, 1, 5], [6, 1]])
def test_parts_of_a_batch_have_their_rows_of_the_global_mask(row_shape, sizes):
  whole = mask([7, *row_shape])
  firsts = np.cumsum([0, *sizes[:-1]])
  parts = [
    mask([size, *row_shape], first_example=first)
    for first, size in zip(firsts, sizes, strict=True)
  ]
  np.testing.assert_array_equal(tf.concat(parts, axis=0), whole)


@pytest.mark.parametrize('jit_compile', [False, True])
def test_graph_of_dynamic_shape_gives_the_eager_mask(jit_compile):
  @tf.function(
    input_signature=[
      tf.TensorSpec([None, None, 3]),
      tf.TensorSpec([], tf.int64),
      tf.TensorSpec([], tf.int64),
    ],
    jit_compile=jit_compile,
  )
  def drop(x, step, first):
    return stateless_dropout(x, 0.5, DropoutKey(1, step, first), site=4)

  for length in (5, 8):
    dropped = drop(tf.ones([6, length, 3]), np.int64(9), np.int64(2))
    expected = mask([8, length, 3], site=4, step=9)[2:]
    np.testing.assert_array_equal(dropped != 0, expected)


def test_mask_is_the_same_in_every_release():
  # A run that is resumed under another version must continue its masks.
  kept = mask([2, 12], seed=12345, step=678, site=3, first_example=9)
  assert [''.join('01'[int(k)] for k in row) for row in kept.numpy()] == [
    '000100110001',
    '111100011110',
  ]
  # The highest of the seed's 31 bits is set.
  kept = mask([1, 24], seed=3).numpy()[0]
  assert ''.join('01'[int(k)] for k in kept) == '100110010100101000011000'


def test_a_row_of_eight_decisions_takes_one_counter():
  rows = mask([4, 8])
  np.testing.assert_array_equal(tf.reshape(rows, [2, 16]), mask([2, 16]))


@pytest.mark.parametrize('rate', [0.1, 0.5, 0.9])
def test_share_of_dropped_values_is_the_rate(rate):
  dropped = 1 - np.mean(mask([100, 999], rate=rate))
  # Four standard deviations of the mean of 99,900 independent decisions.
  assert abs(dropped - rate) < 4 * np.sqrt(rate * (1 - rate) / 99_900)


def test_each_of_a_counters_decisions_is_dropped_at_the_rate():
  kept = mask([10_000, 8]).numpy()
  # Five standard deviations, 0.5 / 100 each.
  np.testing.assert_allclose(kept.mean(axis=0), 0.5, atol=0.025)
  correlation = np.corrcoef(kept.T.astype(float)) - np.eye(8)
  assert np.abs(correlation).max() < 0.05


def test_kept_values_are_scaled_by_the_rounded_rate():
  x = tf.constant([[1.0, -2.0, 3.0] * 20])
  out = stateless_dropout(x, 0.1, make_key(), 0).numpy()
  kept = out != 0
  # 0.1 * 65536 rounds to 6554 levels.
  np.testing.assert_allclose(
    out[kept], x.numpy()[kept] * 65536 / (65536 - 6554), rtol=1e-6
  )
  assert 0 < np.sum(~kept) < 20


@pytest.mark.parametrize(
  'other', [{'seed': 2}, {'step': 1}, {'site': 1}, {'first_example': 1}]
)
def test_seed_step_site_and_example_each_change_the_mask(other):
  agreement = np.mean(mask([100, 100]) == mask([100, 100], **other))
  # Unrelated fair coins agree half the time: 0.5 with deviation 0.005.
  assert abs(agreement - 0.5) < 0.025


def test_neighbouring_seeds_and_sites_share_no_mask():
  masks = {
    bytes(mask([64], seed=seed, site=site).numpy())
    for seed in range(-2, 3)
    for site in (*range(8), dropout.HEAD_SITE)
  }
  assert len(masks) == 5 * 9


def test_gradient_is_dropped_and_scaled_like_the_value():
  x = tf.constant([[1.0] * 40])
  with tf.GradientTape() as tape:
    tape.watch(x)
    out = stateless_dropout(x, 0.5, make_key(), 0)
  upstream = tf.reshape(tf.range(40.0), [1, 40])
  gradient = tape.gradient(out, x, output_gradients=upstream)
  np.testing.assert_allclose(gradient, out * upstream)


@pytest.mark.parametrize('dtype', [tf.bfloat16, tf.float16])
def test_dtype_is_kept_and_the_mask_is_that_of_float32(dtype):
  out = stateless_dropout(tf.ones([5, 9], dtype), 0.5, make_key(), 0)
  assert out.dtype == dtype
  np.testing.assert_array_equal(out != 0, mask([5, 9]))


def test_rate_just_below_one_keeps_one_level():
  out = stateless_dropout(tf.ones([1000, 200]), 0.9999999, make_key(), 0)
  kept = out.numpy()[out.numpy() != 0]
  # 200,000 decisions at 1/65536 keep 3 on average.
  assert 0 < len(kept) < 15
  np.testing.assert_array_equal(kept, 65536)


def test_without_a_key_or_a_rate_the_input_passes():
  x = tf.ones([2, 3])
  assert stateless_dropout(x, 0.5, None, 0) is x
  assert stateless_dropout(x, 0.0, make_key(), 0) is x


def test_every_dropout_of_the_deepest_model_has_its_own_site():
  sites = [site for index in range(48) for site in dropout.block_sites(index)]
  sites += [dropout.EMBEDDINGS_SITE, dropout.HEAD_SITE]
  assert len(set(sites)) == len(sites)
  # A run that is resumed under another version must continue its masks.
  assert [*sites[:4], *sites[-2:]] == [1, 2, 3, 4, 0, 1000]


def test_a_key_s_rate_replaces_every_other():
  x = tf.ones([4, 1000])
  zero = tf.constant(0, tf.int64)
  never = DropoutKey(1, zero, zero, rate=0.0)
  assert stateless_dropout(x, 0.5, never, site=1) is x
  half = stateless_dropout(x, 0.0, never._replace(rate=0.5), site=1).numpy()
  assert set(half.ravel().tolist()) == {0.0, 2.0}
