"""No iterator waits for tf.data's tuner when it is deleted."""

import tensorflow as tf

from data.records import dataset_options


def test_device_iterators_have_no_tuner():
  for _ in range(2):
    dataset_options.apply_to_device_iterators()
  strategy = tf.distribute.MirroredStrategy(['/cpu:0', '/cpu:1'])
  iterator = iter(
    strategy.distribute_datasets_from_function(
      lambda _: tf.data.Dataset.range(4)
    )
  )
  values = strategy.experimental_local_results(next(iterator))
  assert [value.numpy() for value in values] == [0, 1]
  (worker,) = iterator._iterators
  for device_iterator in worker._iterator._device_iterators:
    assert device_iterator._dataset.options().autotune.enabled is False
