"""The settings of pre-training records."""

import pytest

from data.pretraining.options import RecordOptions
from system.errors import UserError


@pytest.mark.parametrize(
  'changes',
  [{'max_seq_length': 5}, {'max_seq_length': 65536}, {'short_seq_prob': 1}],
)
def test_limits_are_inclusive(changes):
  RecordOptions(**changes).check()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'max_seq_length': 4}, '`max_seq_length`=4: expected 5 to 65,536'),
    ({'max_seq_length': 65537}, '`max_seq_length`=65537: expected 5 to 65,536'),
    ({'max_seq_length': 9.5}, '`max_seq_length`=9.5: expected 5 to 65,536'),
    ({'dupe_factor': 0}, '`dupe_factor`=0: expected 1 to 2,147,483,647'),
    ({'short_seq_prob': 1.5}, '`short_seq_prob`=1.5: expected 0 to 1'),
    ({'short_seq_prob': -0.1}, '`short_seq_prob`=-0.1: expected 0 to 1'),
  ],
)
def test_value_outside_its_limits_is_named(changes, message):
  with pytest.raises(UserError) as error:
    RecordOptions(**changes).check()
  assert str(error.value) == message


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'max_predictions_per_seq': 0}, '`max_predictions_per_seq`=0: expected 1'),
    (
      {'masked_lm_prob': 0.0},
      '`masked_lm_prob`=0.0: expected more than 0 and less than 1',
    ),
    ({'masked_lm_prob': 1.0}, '`masked_lm_prob`=1.0: expected more than 0 and'),
    ({'max_ngram': 0}, '`max_ngram`=0: expected 1 to 100'),
    ({'max_ngram': 101}, '`max_ngram`=101: expected 1 to 100'),
    (
      {'ngram_distribution': 'x'},
      '`ngram_distribution`=x: expected inverse or',
    ),
  ],
)
def test_masking_value_outside_its_limits_is_named(changes, message):
  with pytest.raises(UserError) as error:
    RecordOptions(**changes).check()
  assert str(error.value).startswith(message)


def test_flags_are_all_values_by_name():
  assert RecordOptions(max_ngram=3, random_seed=7).flags() == {
    'max_predictions_per_seq': 20,
    'masked_lm_prob': 0.15,
    'do_whole_word_mask': False,
    'max_ngram': 3,
    'ngram_distribution': 'inverse',
    'max_seq_length': 128,
    'random_seed': 7,
    'dupe_factor': 10,
    'short_seq_prob': 0.1,
    'sentence_order_prediction': False,
    'dynamic_masking': False,
  }


@pytest.mark.parametrize(
  ('options', 'messages'),
  [
    (RecordOptions(), []),  # 128 * 0.15 is 19.2.
    (
      RecordOptions(max_seq_length=512),
      [
        '`max_predictions_per_seq`=20: the longest records need 77 masks for '
        'their share, `masked_lm_prob`'
      ],
    ),
    (RecordOptions(max_predictions_per_seq=77, max_seq_length=512), []),
    (RecordOptions(max_seq_length=512, dynamic_masking=True), []),
  ],
)
def test_too_few_predictions_for_the_share_of_masks_are_a_warning(
  options, messages, caplog
):
  options.warn_of_few_predictions()
  assert caplog.messages == messages
