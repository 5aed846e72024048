"""Temperatures, against values worked out by hand."""

import math

import numpy as np
import pytest

from data.tasks import custom, glue
from modeling.checkpoints import exporting, location, model_file
from modeling.configs import BertConfig
from system.errors import UserError
from training import calibration

LN3 = math.log(3)


def _examples(scale=1.0):
  """Returns logits of which `scale` is the best temperature, and labels.

  Label 0 has the probability 3/4 and is right in three of four examples: the
  probabilities equal the frequencies.
  """
  logits = np.float32([[scale * LN3, 0]] * 4)
  return logits, np.array([0, 0, 0, 1])


def _quality(*values):
  return pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize('scale', [0.25, 1.0, 2.5, 10.0])
def test_the_temperature_of_scaled_logits_is_their_scale(scale):
  assert calibration.fit(*_examples(scale)) == pytest.approx(scale, rel=1e-6)


def test_the_temperature_minimises_the_log_loss_of_several_classes():
  rng = np.random.default_rng(0)
  logits = rng.normal(size=[500, 5]).astype(np.float32) * 4
  labels = np.where(rng.random(500) < 0.6, logits.argmax(axis=1), 0)
  best = calibration.fit(logits, labels)
  losses = [
    calibration.quality(logits, labels, best * factor).log_loss
    for factor in (0.98, 1.0, 1.02)
  ]
  assert losses[1] < losses[0] and losses[1] < losses[2]


def test_quality_before_and_after():
  logits, labels = _examples(2.0)
  # Logits of 2 ln 3 = ln 9: probabilities 9/10 and 1/10, accuracy 3/4.
  loss = -(3 * math.log(0.9) + math.log(0.1)) / 4
  assert calibration.quality(logits, labels) == _quality(loss, 0.15)
  loss = -(3 * math.log(0.75) + math.log(0.25)) / 4
  assert calibration.quality(logits, labels, 2.0) == _quality(loss, 0.0)


@pytest.mark.parametrize(
  ('logits', 'labels'),
  [
    ([[3, 0], [0, 1]], [0, 1]),  # All right.
    ([[3, 0], [0, 1]], [1, 0]),  # All wrong.
    ([[1, 1], [2, 2]], [0, 1]),  # Constant.
    ([[math.nan, 0], [0, 1]], [0, 1]),
  ],
)
def test_there_may_be_no_best_temperature(logits, labels):
  assert calibration.fit(np.float32(logits), np.array(labels)) is None


def _checkpoint(folder, step=1):
  folder.mkdir(exist_ok=True)
  config = BertConfig(vocab_size=8, hidden_size=4, num_attention_heads=2)
  values = {'output_bias': np.float32([step, 0])}
  exporting.export(str(folder), step, values, config)
  return location.locate(str(folder))


def test_a_temperature_is_that_of_the_latest_weights(tmp_path, caplog):
  first = _checkpoint(tmp_path)
  assert calibration.temperature_of(first) == 1.0
  calibration.calibrate(first, *_examples(2.5))
  assert 'on the 4 examples of dev: temperature 2.5000; log loss 0.5623' in (
    caplog.text
  )
  assert calibration.temperature_of(first) == pytest.approx(2.5)
  second = _checkpoint(tmp_path, step=2)
  assert calibration.temperature_of(second) == 1.0
  calibration.calibrate(second, *_examples(0.5))
  assert calibration.temperature_of(second) == pytest.approx(0.5)
  assert calibration.temperature_of(first) == 1.0
  assert 'is not used' in caplog.text
  # The same folder, named in another way.
  again = location.locate(f'{tmp_path}//')
  assert calibration.temperature_of(again) == pytest.approx(0.5)


def test_what_cannot_be_calibrated_loses_its_temperature(tmp_path, caplog):
  checkpoint = _checkpoint(tmp_path)
  calibration.calibrate(checkpoint, *_examples(2.5))
  calibration.calibrate(checkpoint, np.float32([[1, 0]]), np.array([0]))
  assert 'Not calibrated: no temperature from 0.02 to 50' in caplog.text
  assert calibration.temperature_of(checkpoint) == 1.0


def test_numbers_have_no_temperature():
  calibration.check_task(custom.classification(('a', 'b')))
  with pytest.raises(UserError, match='STS-B predicts numbers'):
    calibration.check_task(glue.get_task('STS-B'))


def test_weights_elsewhere_are_not_calibrated(tmp_path):
  checkpoint = _checkpoint(tmp_path / 'best')
  calibration.check_place(checkpoint, str(tmp_path))
  calibration.check_place(checkpoint, f'{tmp_path}/best')
  with pytest.raises(UserError, match='/best, expected in `output_dir`=/x'):
    calibration.check_place(checkpoint, '/x')
  assert model_file.read(str(tmp_path / 'best')).temperature is None
