"""Patient KD: the layers to match, the map between widths, and refusals."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
import tiny_dump
from tiny_dump import MANIFEST, ROWS, WORDS

from data.tasks import glue
from distillation import distillation_loss, patient_kd, student_dump
from distillation.dump_options import DumpOptions
from distillation.patient_kd import PatientKd
from distillation.student_dump import StudentInput
from distillation.student_options import StudentOptions
from modeling.configs import BertConfig
from modeling.models import Classifier
from system import files
from system.errors import UserError

CONFIG = BertConfig(
  vocab_size=8,
  hidden_size=4,
  num_hidden_layers=3,
  num_attention_heads=2,
  intermediate_size=8,
  max_position_embeddings=8,
  type_vocab_size=2,
)
STATES = np.float32(
  [[1, 0, 0, 0, 0, 2], [0, 1, 1, 1, 0, 0], [3, 0, 0, 1, 1, 0]]
)
SST2 = glue.get_task('SST-2')


@pytest.mark.parametrize(
  ('given', 'num_matched', 'num_layers', 'expected'),
  [
    ([], 1, 2, [1]),
    ([], 5, 6, [1, 2, 3, 4, 5]),
    ([], 2, 6, [2, 4]),
    ([], 3, 12, [3, 6, 9]),
    ([1, 2], 2, 2, [1, 2]),
  ],
)
def test_layers_are_spread_below_the_last_unless_given(
  given, num_matched, num_layers, expected
):
  found = patient_kd.student_layers(given, num_matched, num_layers)
  assert found == expected


@pytest.mark.parametrize(
  ('given', 'num_matched', 'message'),
  [
    ([1], 2, '`patient_layers`=1: the dump has states of 2 layers, .* has 3'),
    ([2, 4], 2, 'expected 2 of the numbers 1 to 3'),
    ([], 3, 'of 3 layers, but the student has only 2 below its last'),
  ],
)
def test_layers_that_do_not_fit_are_refused(given, num_matched, message):
  with pytest.raises(UserError, match=message):
    patient_kd.student_layers(given, num_matched, 3)


def test_layers_that_are_all_frozen_are_refused():
  options = StudentOptions(patient_weight=0.5)
  for freeze in (None, 'embeddings', '2'):
    patient_kd.check_freeze(options, [1, 3], freeze)
  with pytest.raises(
    UserError, match='`patient_weight`=0.5 cannot .*`freeze`=3 keeps .*: 1, 3'
  ):
    patient_kd.check_freeze(options, [1, 3], '3')
  inherited = dataclasses.replace(options, inherited={'patient_weight'})
  patient_kd.check_freeze(inherited, [1, 3], '3')


@pytest.mark.parametrize('value', ['0', '2,1', '1,1', 'x', '1.5', '-1'])
def test_layers_are_ascending_numbers(value):
  texts = tuple(value.split(','))
  with pytest.raises(
    UserError, match=f'`patient_layers`={value}: expected asc'
  ):
    StudentOptions(patient_layers=texts).layers()
  with pytest.raises(UserError, match=f'`dump_cls_layers`={value}: expected'):
    DumpOptions(dump_cls_layers=texts).cls_layers()
  assert DumpOptions(dump_cls_layers=('2', '10')).cls_layers() == [2, 10]


def _make(cls_size, **options):
  manifest = dataclasses.replace(MANIFEST, cls_layers=[2, 4], cls_size=cls_size)
  return patient_kd.make(
    StudentOptions(patient_weight=0.5, **options), {'a': manifest}, CONFIG, 7
  )


def test_equal_widths_need_no_map():
  patient = _make(4)
  assert patient.variables == {}
  assert (patient.weight, patient.layers) == (0.5, [1, 2])


def test_other_widths_have_a_map_for_each_layer_that_the_seed_decides():
  (first,), (again,) = (_make(6).variables.values() for _ in range(2))
  assert first.shape == [2, 4, 6]
  np.testing.assert_array_equal(first, again)
  assert not np.array_equal(first[0], first[1])


def test_without_a_weight_there_is_no_patient_kd():
  assert patient_kd.make(StudentOptions(), {}, CONFIG, 0) is None


def test_the_map_is_applied_to_the_students_states():
  # Layer 1's map sends [x, y] to [x, 0, y], layer 2's sends it to [y, x, 0].
  maps = [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0]]]
  patient = PatientKd(1.0, [1, 2], 3, tf.Variable(np.float32(maps)))
  # [1, 0, 2] is the first target's direction. [4, 3, 0] against [1, 0, 0]: the
  # squared distance of [0.8, 0.6, 0] is 0.04 + 0.36.
  loss = patient.loss(
    tf.constant([[[1.0, 2.0], [3.0, 4.0]]]),
    {
      'teacher_cls_states': tf.constant([[2.0, 0.0, 4.0, 1.0, 0.0, 0.0]]),
      'example_denominator': tf.constant(2.0),
    },
  )
  np.testing.assert_allclose(loss, 0.4 / 2 / 2, rtol=1e-6)


def test_the_weighted_loss_is_added_to_that_of_the_logits():
  class Fixed:
    weight = 3.0

    def outputs(self, model, batch, dropout):
      return {'logits': tf.zeros([1, 2]), 'cls_states': 'states'}

    def loss(self, states, batch):
      assert states == 'states'
      return tf.constant(0.25)

  function = distillation_loss.make_distillation_loss(
    None, SST2, patient=Fixed()
  )
  batch = {
    'teacher_logits': tf.zeros([1, 2]),
    'example_denominator': tf.constant(1.0),
  }
  losses = function(batch, None)
  assert float(losses['patient_loss']) == 0.25
  assert float(losses['loss']) == pytest.approx(math.log(2) + 0.75, rel=1e-6)


def test_patient_kd_trains_the_matched_layers_and_the_map():
  model = Classifier(CONFIG, 2)
  patient = _make(6, patient_layers=('1', '2'))
  batch = {
    'input_ids': tf.constant([[2, 5, 3]]),
    'input_mask': tf.constant([[1, 1, 1]]),
    'segment_ids': tf.constant([[0, 0, 0]]),
    'teacher_cls_states': tf.random.stateless_normal([1, 12], [1, 2]),
    'example_denominator': tf.constant(1.0),
  }
  with tf.GradientTape() as tape:
    outputs = patient.outputs(model, batch, None)
    loss = patient.loss(outputs['cls_states'], batch)
  blocks = model.encoder.blocks
  kernels = [block.output_dense.kernel for block in blocks]
  *matched, last, to_map = tape.gradient(loss, [*kernels, patient.projection])
  assert all(np.abs(x).max() > 1e-5 for x in (*matched, to_map))
  assert last is None


def _rows(with_states=True):
  return [
    row._replace(cls_states=states if with_states else None)
    for row, states in zip(ROWS, STATES, strict=True)
  ]


@pytest.fixture
def tokenizer(tmp_path):
  return tiny_dump.make_tokenizer(tmp_path, WORDS)


def _write(folder, tokenizer, **changes):
  states = {'cls_layers': [1, 3], 'cls_size': 3}
  return tiny_dump.write(
    folder, tokenizer, rows=_rows(), **{**states, **changes}
  )


def test_states_are_written_and_read(tmp_path, tokenizer):
  _write(tmp_path / 'dump', tokenizer)
  (dump,) = tiny_dump.open_dumps(tmp_path / 'dump')
  assert dump.manifest.cls_layers == [1, 3]
  assert dump.manifest.num_state_values == 6
  np.testing.assert_array_equal([row.cls_states for row in dump.rows()], STATES)
  source = dump.source(SST2, 8, with_states=True)
  records = list(tf.data.TFRecordDataset(dump.paths).as_numpy_iterator())
  parsed = source.parse(tf.constant(records))
  np.testing.assert_array_equal(parsed['teacher_cls_states'], STATES)
  assert 'teacher_cls_states' not in dump.source(SST2, 8).parse(
    tf.constant(records)
  )


def test_a_dump_without_states_does_not_mention_them(tmp_path, tokenizer):
  tiny_dump.write(tmp_path / 'dump', tokenizer)
  values = files.read_json(str(tmp_path / 'dump' / 'manifest.json'))
  assert not [name for name in values if name.startswith('cls_')]


@pytest.mark.parametrize(
  'changes',
  [
    {'cls_layers': [3, 1]},
    {'cls_layers': [0, 3]},
    {'cls_layers': [1.0, 3.0]},
    {'cls_size': 0},
    {'cls_size': -3},
  ],
)
def test_impossible_states_in_a_manifest_are_refused(
  tmp_path, tokenizer, changes
):
  _write(tmp_path / 'dump', tokenizer, **changes)
  with pytest.raises(UserError, match="not a dump's manifest: cls_"):
    tiny_dump.open_dumps(tmp_path / 'dump')


def test_records_with_other_states_than_the_manifest_says_are_named(
  tmp_path, tokenizer
):
  _write(tmp_path / 'dump', tokenizer, cls_size=2)
  (dump,) = tiny_dump.open_dumps(tmp_path / 'dump')
  message = 'record 0: found 6 values of .CLS. states, expected 4'
  with pytest.raises(UserError, match=message):
    list(dump.rows())


def test_a_merged_dump_drops_the_states_and_is_refused(tmp_path, tokenizer):
  dumps = [_write(tmp_path / name, tokenizer) for name in ('a', 'b')]
  student = StudentInput(SST2, tokenizer, 8)
  merged = student_dump.make(dumps, 'x', student, 1.0, str(tmp_path / 'merged'))
  assert merged.manifest.cls_layers == []
  assert [row.cls_states for row in merged.rows()] == [None] * 3
  options = StudentOptions(patient_weight=0.5)
  message = f'dump in {merged.folder} has no .CLS. states .*merges several'
  with pytest.raises(UserError, match=message):
    patient_kd.make(options, {merged.folder: merged.manifest}, CONFIG, 0)
  with pytest.raises(UserError, match='one teacher.* names 2 dumps: a, b'):
    patient_kd.make(options, {'a': MANIFEST, 'b': MANIFEST}, CONFIG, 0)
  message = 'dump in a has no .CLS. states .* make it with `dump_cls_layers`'
  with pytest.raises(UserError, match=message):
    patient_kd.make(options, {'a': MANIFEST}, CONFIG, 0)


def test_states_stay_with_a_text_that_is_tokenized_again(tmp_path, tokenizer):
  dump = _write(tmp_path / 'a', tokenizer)
  other = tiny_dump.make_tokenizer(tmp_path, [*WORDS[:-2], 'film', 'bad'])
  student = StudentInput(SST2, other, 8)
  own = student_dump.make([dump], 'x', student, 1.0, str(tmp_path / 'own'))
  assert own.manifest.cls_layers == [1, 3]
  np.testing.assert_array_equal([row.cls_states for row in own.rows()], STATES)
