"""Dynamic masking: masks drawn when records are read."""

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from data.pretraining import masking
from data.pretraining.dynamic_masking import DynamicMasking
from data.pretraining.options import MaskingOptions
from data.pretraining.randomness import stream_key
from data.records import (
  feature_spec,
  inference_input,
  record_index,
  record_writer,
  training_input,
)
from data.records.record_source import RecordSource
from data.records.serialization import serialize
from data.records.training_order import TrainingOrder
from data.text.vocabulary import Vocabulary

_S, _P, _N = 24, 5, 150
# Ids 5 to 29 begin words, 30 to 39 continue them.
_VOCABULARY = Vocabulary(
  '[PAD] [UNK] [CLS] [SEP] [MASK]'.split()
  + [f'w{i}' for i in range(5, 30)]
  + [f'##w{i}' for i in range(30, 40)]
)
_CLS, _SEP, _MASK = 2, 3, 4
_OPTIONS = MaskingOptions(_P)


def _columns(count: int = _N, seed: int = 0) -> dict[str, np.ndarray]:
  """Returns records without masks, of random lengths and tokens."""
  rng = np.random.default_rng(seed)
  position = np.arange(_S)
  lengths = rng.integers(8, _S + 1, [count, 1])
  first_seps = rng.integers(2, lengths - 2)
  mask = position < lengths
  ids = rng.integers(5, 40, [count, _S]) * mask
  ids[:, 0] = _CLS
  ids[(position == first_seps) | (position == lengths - 1)] = _SEP
  return {
    'input_ids': ids.astype(np.int32),
    'input_mask': mask.astype(np.int32),
    'segment_ids': (mask & (position > first_seps)).astype(np.int32),
    'next_sentence_labels': rng.integers(0, 2, [count, 1]).astype(np.int32),
  }


def _masked(columns, options=_OPTIONS, seed=0) -> dict[str, np.ndarray]:
  """Masks records whose numbers are their rows."""
  complete = DynamicMasking(_VOCABULARY, options, seed)
  numbers = tf.range(len(columns['input_ids']), dtype=tf.int64)
  masked = complete({k: tf.constant(v) for k, v in columns.items()}, numbers)
  return {name: value.numpy() for name, value in masked.items()}


def _restored(batch) -> np.ndarray:
  """Returns the ids before masking."""
  ids = batch['input_ids'].copy()
  rows, slots = np.nonzero(batch['masked_lm_weights'])
  ids[rows, batch['masked_lm_positions'][rows, slots]] = batch['masked_lm_ids'][
    rows, slots
  ]
  return ids


def test_fields_are_those_of_masked_records_and_labels_restore_the_text():
  columns = _columns()
  before = {name: value.copy() for name, value in columns.items()}
  masked = _masked(columns)
  assert {*masked} == {field.name for field in feature_spec.PRETRAINING}
  assert masked['masked_lm_positions'].shape == (_N, _P)
  np.testing.assert_array_equal(_restored(masked), before['input_ids'])
  for name in ('input_mask', 'segment_ids', 'next_sentence_labels'):
    np.testing.assert_array_equal(masked[name], before[name])
  assert (masked['input_ids'] != before['input_ids']).any(axis=1).mean() > 0.8


@pytest.mark.parametrize(
  'options',
  [
    _OPTIONS,
    MaskingOptions(_P, 0.3, do_whole_word_mask=True),
    MaskingOptions(_P, 0.3, max_ngram=3),
  ],
)
def test_masks_are_those_of_static_masking_from_the_same_stream(options):
  columns = _columns()
  found = _masked(columns, options, seed=7)
  ids = columns['input_ids'].copy()
  special = masking.SpecialTokens(_CLS, _SEP, _MASK, np.arange(40) >= 30)
  masks = masking.mask(
    ids,
    (ids > 0).sum(axis=1),
    np.argmax(ids == _SEP, axis=1),
    masking.record_states(stream_key(7), np.arange(_N)),
    special,
    options,
  )
  np.testing.assert_array_equal(found['input_ids'], ids)
  np.testing.assert_array_equal(found['masked_lm_positions'], masks.positions)
  np.testing.assert_array_equal(found['masked_lm_ids'], masks.labels)
  np.testing.assert_array_equal(found['masked_lm_weights'], masks.weights)


def test_whole_words_stay_whole():
  columns = _columns(600)
  masked = _masked(columns, MaskingOptions(_P, 0.3, do_whole_word_mask=True))
  chosen = np.zeros([600, _S], bool)
  rows, slots = np.nonzero(masked['masked_lm_weights'])
  chosen[rows, masked['masked_lm_positions'][rows, slots]] = True
  ids = columns['input_ids']
  continues = (ids[:, 1:] >= 30) & (ids[:, :-1] > _MASK)
  pairs = chosen[:, 1:][continues], chosen[:, :-1][continues]
  np.testing.assert_array_equal(*pairs)
  assert pairs[0].sum() > 100


def test_shares_are_those_of_static_masking():
  columns = _columns(20_000)
  masked = _masked(columns)
  lengths = columns['input_mask'].sum(axis=1)
  expected = np.clip(np.rint(lengths * 0.15), 1, _P)
  np.testing.assert_array_equal(
    masked['masked_lm_weights'].sum(axis=1), expected
  )
  rows, slots = np.nonzero(masked['masked_lm_weights'])
  now = masked['input_ids'][rows, masked['masked_lm_positions'][rows, slots]]
  before = masked['masked_lm_ids'][rows, slots]
  # [MASK]: 0.8, and a random token is [MASK] in 1 of 40 cases. Unchanged: 0.1,
  # and a random token is the same in 1 of 40 cases.
  # Standard errors with 48,000 masks: 0.002 and 0.0014.
  assert abs((now == _MASK).mean() - (0.8 + 0.1 / 40)) < 0.008
  assert abs((now == before).mean() - (0.1 + 0.1 / 40)) < 0.006


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> RecordSource:
  """150 records in two files, all with different texts."""
  folder, columns = tmp_path_factory.mktemp('records'), _columns()
  paths = []
  for name, rows in (('a', slice(90)), ('b', slice(90, _N))):
    paths.append(str(folder / name))
    part = {name: value[rows] for name, value in columns.items()}
    fields = feature_spec.UNMASKED_PRETRAINING
    with record_writer.RecordWriter(paths[-1]) as writer:
      for record in serialize(part, fields).to_list():
        writer.write(record)
  return RecordSource(
    tuple(paths),
    feature_spec.UNMASKED_PRETRAINING,
    {'S': _S, 'P': _P},
    len(_VOCABULARY.tokens),
    complete=DynamicMasking(_VOCABULARY, _OPTIONS, seed=5),
  )


def _train(source, steps: range, batch_size=12, num_replicas=1, own=None):
  """Returns the batches of some steps."""
  order = TrainingOrder(
    [record_index.load_index(path) for path in source.paths], batch_size, seed=5
  )
  batches = training_input.training_batches(
    source, order, steps.start, num_replicas, own
  )
  count = len(steps) * len(own or range(num_replicas))
  return list(batches.take(count).as_numpy_iterator())


@pytest.fixture(scope='module')
def whole(source):
  """The batches of 24 epochs: 25 groups of 144 records."""
  return _train(source, range(300))


def _texts(batches) -> collections.Counter[tuple[tuple[int, ...], ...]]:
  """Counts pairs of an original text and its masked form."""
  return collections.Counter(
    (tuple(before[before > 0]), tuple(after[before > 0]))
    for batch in batches
    for before, after in zip(_restored(batch), batch['input_ids'], strict=True)
  )


def _assert_equal(found, expected):
  for ours, theirs in zip(found, expected, strict=True):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
      np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_each_epoch_masks_the_same_text_anew(whole):
  epochs, different = collections.Counter(), collections.Counter()
  for (text, _), count in _texts(whole).items():
    epochs[text] += count
    different[text] += 1
  assert len(epochs) == _N and set(epochs.values()) == {24}
  # A text of 8 tokens has one mask, at one of 5 positions.
  assert min(different.values()) > 4
  assert different.total() > 20 * _N


def test_a_run_that_resumes_in_an_epoch_draws_the_same_masks(source, whole):
  # From the end of one group through the next, where the third epoch begins.
  _assert_equal(_train(source, range(23, 40)), whole[23:40])


@pytest.mark.slow
def test_replicas_and_workers_share_the_masks_of_one_device(source, whole):
  parts = _train(source, range(3, 8), num_replicas=4)
  own = _train(source, range(3, 8), num_replicas=4, own=range(2, 4))
  for step, batch in enumerate(whole[3:8]):
    replicas = parts[4 * step : 4 * step + 4]
    for name in ('input_ids', 'masked_lm_positions', 'masked_lm_weights'):
      joined = np.concatenate([part[name] for part in replicas])
      np.testing.assert_array_equal(joined, batch[name])
    total = batch['masked_lm_weights'].sum() + np.float32(1e-5)
    assert {part['masked_lm_denominator'] for part in replicas} == {total}
    num_tokens = batch['input_mask'].sum()
    assert {part['token_denominator'] for part in replicas} == {num_tokens}
    _assert_equal(own[2 * step : 2 * step + 2], replicas[2:])


@pytest.mark.slow
def test_masks_depend_on_the_seed_and_not_on_the_batch_size(source, whole):
  assert _texts(_train(source, range(120), batch_size=30)) == _texts(whole)
  other = DynamicMasking(_VOCABULARY, _OPTIONS, seed=6)
  (batch,) = _train(dataclasses.replace(source, complete=other), range(1))
  np.testing.assert_array_equal(_restored(batch), _restored(whole[0]))
  assert (batch['input_ids'] != whole[0]['input_ids']).any()


@pytest.mark.slow
def test_an_evaluation_draws_the_same_masks_each_time(source):
  def evaluate(batch_size, max_batches=-1, paths=source.paths):
    batches = inference_input.inference_batches(
      dataclasses.replace(source, paths=paths), batch_size, max_batches
    )
    texts = _texts(batches.as_numpy_iterator())
    del texts[(), ()]  # The padding rows of the last batch.
    return texts

  texts = evaluate(8)
  # A record's number is its position in the files.
  assert texts == _texts([_masked(_columns(), seed=5)])
  assert evaluate(64) == texts
  first = evaluate(10, max_batches=9)
  assert first == evaluate(9, paths=source.paths[:1])
  assert first < texts
