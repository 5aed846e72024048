"""Training: parity with google-research/bert, replicas, resuming."""

import numpy as np
import pytest
import tensorflow as tf

from modeling import checkpoints, losses, pretraining
from modeling.configs import BertConfig
from modeling.models import PreTrainer, released_variables
from modeling.optimization import AdamW, learning_rate_at


def test_eight_steps_equal_those_of_google_research_bert(fixtures_dir):
  folder = fixtures_dir / 'reference_bert'
  inputs = np.load(folder / 'expected_forward.npz')
  expected = np.load(folder / 'expected_training.npz')
  model = PreTrainer(BertConfig.from_json_file(f'{folder}/bert_config.json'))
  variables = released_variables(model)
  checkpoints.load_released(str(folder), variables)
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
    seen_rates.append(float(optimizer.current_learning_rate()))
    with tf.GradientTape() as tape:
      values = loss_function(batch, None)
    seen_losses.append(float(values['loss']))
    gradients = tape.gradient(values['loss'], list(variables.values()))
    optimizer.apply([tf.convert_to_tensor(g) for g in gradients])

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
