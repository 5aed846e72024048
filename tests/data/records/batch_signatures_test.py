"""Signatures against the batches that they describe."""

import numpy as np
import pytest
import tensorflow as tf

from data.records import feature_spec
from data.records.batch_signatures import text_signature, training_signature
from data.records.record_index import Index
from data.records.record_source import RecordSource
from data.records.training_input import training_batches
from data.records.training_order import TrainingOrder


@pytest.mark.parametrize(
  'fields',
  [
    feature_spec.PRETRAINING,
    feature_spec.CLASSIFIER,
    (*feature_spec.LOGITS_DUMP, feature_spec.LOGITS_DUMP_NUMBER),
  ],
)
def test_the_training_signature_fits_batches_of_the_longest_bucket(fields):
  source = RecordSource(('none',), fields, {'S': 24, 'P': 3, 'C': 1}, 10)
  index = Index('none', 8, 64, np.zeros([1], np.int64), 99)
  batches = training_batches(
    source, TrainingOrder([index], 4, seed=1), 0, num_replicas=2
  )
  signature = training_signature(fields, source.dims, rows=2)
  assert signature.keys() == batches.element_spec.keys()
  for name, spec in batches.element_spec.items():
    assert signature[name].is_compatible_with(spec), name
    assert signature[name].shape.is_fully_defined()
    assert signature[name].shape.rank == spec.shape.rank


def test_the_inputs_of_a_model_are_three_matrices():
  signature = text_signature(rows=2, length=5)
  assert {*signature} == {'input_ids', 'input_mask', 'segment_ids'}
  for spec in signature.values():
    assert spec.shape.as_list() == [2, 5] and spec.dtype == tf.int32
