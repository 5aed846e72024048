"""Tests for the format of TensorFlow Hub, and its preprocessing model."""

import numpy as np
import pytest
import tensorflow as tf

from serving.exports import exporting, heads, reference, tf_hub
from system.errors import UserError

_TEXTS = [
  'the film is good .',
  '',
  'It is, frankly, awful!',
  'caf\u00e9 \u6771\u4eac \x00 [\u2026] m\u00b2',
  'the plot ' * 30,
  '[SEP] [MASK]',
]


@pytest.fixture(scope='module')
def loaded(shared_model_folder, tmp_path_factory):
  """Saves and loads a preprocessing model; returns the parts, too."""
  from serving.exports import parts
  from serving.exports.preprocessing import Preprocessor

  model = parts.read(shared_model_folder('classifier'), heads.NONE)
  folder = str(tmp_path_factory.mktemp('preprocess'))
  tf.saved_model.save(Preprocessor(model.tokenizer, 16), folder)
  return model, tf.saved_model.load(folder)


def _rows(packed):
  names = ('input_word_ids', 'input_mask', 'input_type_ids')
  return [packed[name].numpy() for name in names]


def _ours(parts, texts):
  features = reference.compute(parts, texts).features
  names = ('input_ids', 'attention_mask', 'token_type_ids')
  return [features[name] for name in names]


@pytest.mark.slow
def test_texts_get_our_ids(loaded):
  parts, preprocess = loaded
  found = _rows(preprocess(tf.constant(_TEXTS)))
  for theirs, ours in zip(found, _ours(parts, _TEXTS), strict=True):
    assert theirs.dtype == np.int32
    np.testing.assert_array_equal(theirs, ours)


@pytest.mark.slow
def test_pairs_get_our_ids_in_a_length_of_choice(loaded):
  parts, preprocess = loaded
  first = ['the film is good . ' * 5, 'a plot', 'x']
  second = ['awful', 'the plot ' * 9, 'the film']
  tokens = [preprocess.tokenize(tf.constant(x)) for x in (first, second)]
  found = _rows(preprocess.bert_pack_inputs(tokens, seq_length=tf.constant(16)))
  ours = _ours(parts, list(zip(first, second, strict=True)))
  for theirs, expected in zip(found, ours, strict=True):
    np.testing.assert_array_equal(theirs, expected)
  longer = preprocess.bert_pack_inputs(tokens, seq_length=tf.constant(20))
  assert longer['input_word_ids'].shape == [3, 20]


@pytest.mark.slow
def test_tokens_are_grouped_into_words(loaded):
  parts, preprocess = loaded
  words = preprocess.tokenize(tf.constant(['the film, good', '', 'plot']))
  the, film, good, plot, unk = (
    parts.tokenizer.tokens.index(x)
    for x in ('the', 'film', 'good', 'plot', '[UNK]')
  )
  expected = [[[the], [film], [unk], [good]], [], [[plot]]]
  assert words.to_list() == expected
  assert words.dtype == tf.int32


def test_pieces_of_a_word_are_together():
  from serving.exports.preprocessing import words_of

  # Ids 3 and 4 continue a word.
  continues = np.array([False, False, False, True, True])
  pieces = tf.ragged.constant([[1, 3, 4, 2], [], [2], [1, 1, 4]], tf.int32)
  assert words_of(pieces, continues).to_list() == [
    [[1, 3, 4], [2]],
    [],
    [[2]],
    [[1], [1, 4]],
  ]


@pytest.mark.slow
def test_special_tokens_have_their_ids(loaded):
  _, preprocess = loaded
  found = preprocess.tokenize.get_special_tokens_dict()
  assert {name: int(x) for name, x in found.items()} == {
    'vocab_size': 20,
    'padding_id': 0,
    'start_of_sequence_id': 2,
    'end_of_segment_id': 3,
    'mask_id': 4,
  }


def test_a_head_for_a_task_is_refused(parts_of):
  parts = parts_of('classifier')
  with pytest.raises(
    UserError, match='needs a head of the kind pretraining or'
  ):
    exporting.check_model(tf_hub.FORMAT, parts)


@pytest.mark.slow
@pytest.mark.parametrize('head', [heads.NONE, heads.PRETRAINING])
def test_a_fresh_process_computes_the_same(
  parts_of, exported, needs, tmp_path, head
):
  needs('tf_hub')
  report = exported(tf_hub.FORMAT, parts_of('pretraining', head))
  assert report['largest_difference'] <= report['largest_difference_allowed']
  assert report['equal_token_ids'] == 1.0
  assert report['equal_labels'] is None
  folder = tmp_path / 'exports' / 'tf_hub'
  names = sorted(x.name for x in folder.iterdir())
  assert names == ['encoder', 'export.json', 'preprocess']
  assert report['files']['encoder/assets/vocab.txt']


@pytest.mark.slow
def test_the_encoder_can_be_trained(parts_of, needs, tmp_path):
  needs('tf_hub')
  import tensorflow_hub as hub
  import tf_keras

  tf_keras.utils.set_random_seed(0)
  parts = parts_of('pretraining', heads.NONE)
  tf_hub.write(parts, str(tmp_path))
  texts = tf_keras.layers.Input(shape=(), dtype=tf.string)
  inputs = hub.KerasLayer(str(tmp_path / 'preprocess'))(texts)
  encoder = hub.KerasLayer(str(tmp_path / 'encoder'), trainable=True)
  logits = tf_keras.layers.Dense(2)(encoder(inputs)['pooled_output'])
  model = tf_keras.Model(texts, logits)
  assert len(encoder.trainable_variables) == len(parts.weights)
  model.compile(
    tf_keras.optimizers.Adam(0.01),
    tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
  )
  data = tf.constant(['a good film', 'an awful film'] * 8)
  labels = tf.constant([1, 0] * 8)
  losses = model.fit(data, labels, epochs=40, verbose=0).history['loss']
  assert losses[-1] < 0.5 * losses[0]
