"""The kinds of teachers, and models that do not fit each other."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy
import tiny_pipeline
from tiny_world import CONFIG, VOCABULARY

from data.tasks import labelled
from distillation import dump_manifest
from modeling.checkpoints import embedded_encoder, model_file
from modeling.checkpoints.model_file import ModelFile, TaskRecord
from pipeline import models
from system.errors import UserError


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_pipeline.make(tmp_path_factory.mktemp('models'))


@pytest.fixture(scope='module')
def data(folder):
  return labelled.read(tiny_pipeline.options(folder).source)


def _find(folder, data, **changes):
  return models.find(tiny_pipeline.options(folder, **changes), data)


def _fine_tuned(folder, labels, is_pair=False):
  tiny_pipeline.checkpoint(folder)
  task = TaskRecord('custom', labels, is_pair)
  model_file.write(str(folder), ModelFile(task, True, 16), ['vocab.txt'])
  return str(folder)


def test_a_pretrained_checkpoint_is_fine_tuned(folder, data):
  found = _find(folder, data)
  assert found.teacher.kind == models.ENCODER
  assert found.teacher.is_trained_here
  assert found.student.num_hidden_layers == 1
  assert found.vocab_file == str(folder / 'encoder' / 'vocab.txt')
  assert found.do_lower_case and found.limit == 32


def test_a_model_of_these_labels_is_used_as_it_is(folder, data, tmp_path):
  path = _fine_tuned(tmp_path / 'own', ('Up', 'down'))
  found = _find(folder, data, teacher=path)
  assert found.teacher.kind == models.FINE_TUNED
  assert not found.teacher.is_trained_here
  assert found.limit == 16


def test_a_model_of_other_labels_is_fine_tuned_again(folder, data, tmp_path):
  path = _fine_tuned(tmp_path / 'other', ('a', 'b'))
  teacher = _find(folder, data, teacher=path).teacher
  assert teacher.kind == models.ENCODER
  assert teacher.note == (
    "its labels are 'a', 'b', those of the data 'down', 'up', so it is "
    'fine-tuned again'
  )


def test_a_model_for_pairs_is_fine_tuned_again_for_single_texts(
  folder, data, tmp_path
):
  path = _fine_tuned(tmp_path / 'pairs', ('down', 'up'), is_pair=True)
  teacher = _find(folder, data, teacher=path).teacher
  assert teacher.kind == models.ENCODER and teacher.limit == 32
  assert teacher.note == (
    'it takes pairs of texts, the data has single texts, so it is fine-tuned '
    'again'
  )
  pairs = dataclasses.replace(data, is_pair=True)
  assert _find(folder, pairs, teacher=path).teacher.kind == models.FINE_TUNED


def test_a_model_for_single_texts_is_fine_tuned_again_for_pairs(
  folder, data, tmp_path
):
  path = _fine_tuned(tmp_path / 'single', ('down', 'up'))
  pairs = dataclasses.replace(data, is_pair=True)
  teacher = _find(folder, pairs, teacher=path).teacher
  assert teacher.kind == models.ENCODER
  assert teacher.note.startswith('it takes single texts, the data has pairs')


def _hugging_face(folder, **config):
  config = {**CONFIG, 'model_type': 'bert', **config}
  (folder / 'config.json').write_text(json.dumps(config))
  (folder / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n')
  weights = {'embeddings': np.zeros(1, np.float32)}
  safetensors.numpy.save_file(weights, folder / 'model.safetensors')
  (folder / 'tokenizer_config.json').write_text('{"do_lower_case": true}')
  return str(folder)


def test_a_hugging_face_folder_is_imported(folder, data, tmp_path):
  _hugging_face(tmp_path)
  found = _find(folder, data, teacher=str(tmp_path))
  assert found.teacher.kind == models.HUGGING_FACE
  assert found.teacher.is_converted
  random = {'init_checkpoint': None, 'bert_size': 'tiny'}
  found = _find(folder, data, teacher=str(tmp_path), **random)
  # The import writes it.
  assert found.vocab_file is None and found.tokens == VOCABULARY


def test_a_hugging_face_classifier_of_these_labels_is_used_as_it_is(
  folder, data, tmp_path
):
  path = _hugging_face(tmp_path, id2label={'0': 'Up', '1': 'down'})
  teacher = _find(folder, data, teacher=path).teacher
  assert teacher.kind == models.FINE_TUNED and teacher.is_converted
  # It does not say whether it takes pairs.
  pairs = dataclasses.replace(data, is_pair=True)
  assert _find(folder, pairs, teacher=path).teacher.kind == models.FINE_TUNED


@pytest.mark.parametrize(
  'config',
  [
    {'id2label': {'0': 'LABEL_0', '1': 'LABEL_1'}},
    {
      'id2label': {'0': 'up', '1': 'down'},
      'problem_type': 'multi_label_classification',
    },
  ],
)
def test_other_hugging_face_classifiers_are_fine_tuned_again(
  folder, data, tmp_path, config
):
  path = _hugging_face(tmp_path, **config)
  teacher = _find(folder, data, teacher=path).teacher
  assert teacher.kind == models.HUGGING_FACE and teacher.note == ''


def test_an_export_for_pairs_is_fine_tuned_again_for_single_texts(
  folder, data, tmp_path
):
  path = _hugging_face(tmp_path)
  export = {
    'labels': ['down', 'up'],
    'takes_pairs': True,
    'max_seq_length': 16,
  }
  (tmp_path / 'export.json').write_text(json.dumps(export))
  teacher = _find(folder, data, teacher=path).teacher
  assert teacher.kind == models.HUGGING_FACE
  assert teacher.note.startswith('it takes pairs of texts')
  pairs = dataclasses.replace(data, is_pair=True)
  teacher = _find(folder, pairs, teacher=path).teacher
  assert teacher.kind == models.FINE_TUNED and teacher.limit == 16


def test_a_dump_gives_length_and_labels(folder, data, tmp_path):
  found = _find(folder, data, **_dump(tmp_path))
  assert found.teacher.kind == models.DUMP
  assert found.teacher.limit == 12


def test_a_dump_of_other_labels_is_refused(folder, data, tmp_path):
  with pytest.raises(UserError, match="has the labels 'x', 'y', the data"):
    _find(folder, data, **_dump(tmp_path, labels=['x', 'y']))


def test_a_dump_of_another_vocabulary_is_refused(folder, data, tmp_path):
  with pytest.raises(UserError, match='is not the vocabulary of the dump'):
    _find(folder, data, **_dump(tmp_path, vocabulary='0'))


def _dump(folder, **changes):
  from data.text.vocabulary import Vocabulary

  manifest = dump_manifest.Manifest(
    **{
      'task': 'custom',
      'labels': ['down', 'up'],
      'teacher': 'teacher',
      'teacher_checksum': '1',
      'teacher_scores': {'eval_accuracy': 0.9},
      'vocabulary': Vocabulary(VOCABULARY).checksum,
      'vocab_size': len(VOCABULARY),
      'do_lower_case': True,
      'max_seq_length': 12,
      'num_examples': 5,
      'num_held_out': 0,
      'shards': [dump_manifest.Shard('logits-00000-of-00001', 5, 9, '1')],
      **changes,
    }
  )
  dump_manifest.write(str(folder), manifest)
  return {'teacher': None, 'logits_dir': str(folder), 'transfer_file': ()}


def test_other_vocabularies_are_refused(folder, data, tmp_path):
  tiny_pipeline.checkpoint(tmp_path / 'student')
  other = [*VOCABULARY[:-1], 'zebra']
  (tmp_path / 'student' / 'vocab.txt').write_text('\n'.join(other) + '\n')
  with pytest.raises(UserError, match='is not the vocabulary of the teacher'):
    _find(folder, data, init_checkpoint=str(tmp_path / 'student'))


def test_a_student_of_another_vocabulary_size_is_refused(
  folder, data, tmp_path
):
  tiny_pipeline.checkpoint(tmp_path / 'student', vocab_size=99)
  (tmp_path / 'student' / 'vocab.txt').unlink()
  with pytest.raises(UserError, match='the numbers of tokens differ'):
    _find(folder, data, init_checkpoint=str(tmp_path / 'student'))


def test_the_casing_of_both_models_is_one(folder, data, tmp_path):
  tiny_pipeline.checkpoint(tmp_path / 'student')
  (tmp_path / 'student' / 'tokenizer_config.json').write_text(
    '{"do_lower_case": false}'
  )
  path = _fine_tuned(tmp_path / 'own', ('down', 'up'))
  start = str(tmp_path / 'student')
  assert not _find(folder, data, init_checkpoint=start).do_lower_case
  with pytest.raises(UserError, match='the casing differs'):
    _find(folder, data, teacher=path, init_checkpoint=start)


def test_the_student_is_the_projects_own_by_default(folder, data, monkeypatch):
  unnamed = {'init_checkpoint': None}
  with pytest.raises(UserError, match='another vocabulary than the BERT-Tiny'):
    _find(folder, data, **unnamed)
  monkeypatch.setattr(embedded_encoder, 'has_vocabulary', lambda tokens: True)
  monkeypatch.setattr(embedded_encoder, 'path', lambda: f'{folder}/encoder')
  assert _find(folder, data, **unnamed) == _find(folder, data)


def test_a_random_student_has_the_vocabulary_of_the_teacher(folder, data):
  found = _find(folder, data, init_checkpoint=None, bert_size='2/128')
  assert found.student.vocab_size == len(VOCABULARY)
  assert dataclasses.asdict(found.student)['hidden_size'] == 128


def test_pairs_need_a_student_with_two_segments(folder, data, tmp_path):
  tiny_pipeline.checkpoint(tmp_path / 'student', type_vocab_size=1)
  pairs = dataclasses.replace(data, is_pair=True)
  start = {'init_checkpoint': str(tmp_path / 'student')}
  with pytest.raises(UserError, match='has type_vocab_size 1, expected 2 or m'):
    _find(folder, pairs, **start)
  assert _find(folder, data, **start).student.type_vocab_size == 1


def test_a_dump_may_have_the_longest_inputs_of_the_student(
  folder, data, tmp_path
):
  found = _find(folder, data, **_dump(tmp_path, max_seq_length=32))
  assert found.limit == 32
  with pytest.raises(UserError, match='up to 33 tokens, the student reads 32'):
    _find(folder, data, **_dump(tmp_path, max_seq_length=33))


def test_a_dump_of_another_vocabulary_size_is_refused(folder, data, tmp_path):
  with pytest.raises(UserError, match=f'{tmp_path}: 21, .*the vocabulary: 20'):
    _find(folder, data, **_dump(tmp_path, vocab_size=21))


def test_the_labels_of_a_dump_may_be_spelt_in_another_case(
  folder, data, tmp_path
):
  found = _find(folder, data, **_dump(tmp_path, labels=['Up', 'DOWN']))
  assert found.teacher.kind == models.DUMP


def test_the_student_with_fewer_positions_is_the_limit(folder, data, tmp_path):
  tiny_pipeline.checkpoint(tmp_path / 'student', max_position_embeddings=16)
  found = _find(folder, data, init_checkpoint=str(tmp_path / 'student'))
  assert (found.teacher.limit, found.limit) == (32, 16)


def test_a_hugging_face_vocabulary_may_lack_padding_ids(folder, data, tmp_path):
  path = _hugging_face(tmp_path)
  (tmp_path / 'vocab.txt').write_text('\n'.join(VOCABULARY[:-1]) + '\n')
  assert _find(folder, data, teacher=path).tokens == VOCABULARY
  random = {'init_checkpoint': None, 'bert_size': 'tiny'}
  found = _find(folder, data, teacher=path, **random)
  assert (len(found.tokens), found.student.vocab_size) == (19, 20)


def test_the_vocabulary_may_lie_beside_the_student_alone(
  folder, data, tmp_path
):
  tiny_pipeline.checkpoint(tmp_path / 'teacher')
  (tmp_path / 'teacher' / 'vocab.txt').unlink()
  found = _find(folder, data, teacher=str(tmp_path / 'teacher'))
  assert found.vocab_file == str(folder / 'encoder' / 'vocab.txt')
  (tmp_path / 'encoder').mkdir()
  tiny_pipeline.checkpoint(tmp_path / 'encoder' / 'x')
  (tmp_path / 'encoder' / 'x' / 'vocab.txt').unlink()
  found = _find(folder, data, init_checkpoint=str(tmp_path / 'encoder' / 'x'))
  assert found.vocab_file == str(folder / 'teacher' / 'vocab.txt')


def test_a_given_casing_must_be_that_of_the_models(folder, data, tmp_path):
  assert not _find(folder, data, do_lower_case=False).do_lower_case
  path = _fine_tuned(tmp_path / 'own', ('down', 'up'))
  with pytest.raises(UserError, match='casing differs: .*model.json says True'):
    _find(folder, data, teacher=path, do_lower_case=False)
