"""Tests for labelling texts with a trained model.

`teacher_world` holds a classifier of SST-2 trained with 16 tokens; a sentence's
only adjective decides its label.
"""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from modeling import configs
from modeling.checkpoints import location, model_file
from serving import text_model
from system.errors import UserError
from tests.support import tiny_world

_TEXTS = [
  'the film is good .',
  'the plot is awful .',
  'the film is nice . ' * 3,
  '',
  'THE FILM IS GOOD .',
]


@pytest.fixture
def folder(teacher_world):
  return teacher_world / 'teacher'


def _predictions(path):
  header, *rows = path.read_text().splitlines()
  columns = header.split('\t')
  return [dict(zip(columns, row.split('\t'), strict=True)) for row in rows]


@pytest.mark.slow
def test_predictions_are_those_of_do_predict(teacher_world, folder):
  flags = tiny_world.task_flags(
    teacher_world, output_dir=folder, num_train_epochs=None
  )
  tiny_world.run('run_classifier', *flags, '--do_predict')
  lines = (teacher_world / 'task' / 'test.tsv').read_text().splitlines()[1:]
  texts = [line.split('\t')[1] for line in lines]
  expected = _predictions(folder / 'predictions.tsv')
  predicted = text_model.load(str(folder)).predict(texts)
  assert [p.label for p in predicted] == [x['prediction'] for x in expected]
  np.testing.assert_allclose(
    [p.probabilities['1'] for p in predicted],
    [float(x['probability_1']) for x in expected],
    rtol=1e-5,
  )


@pytest.mark.parametrize(
  'damage',
  [
    lambda content: content + b'more\n',
    lambda content: content[: len(content) // 2],
    lambda content: content.replace(b'film', b'fi\xffm'),
    lambda content: b'',
  ],
  ids=['longer', 'cut', 'no text', 'empty'],
)
def test_a_changed_vocabulary_is_refused(folder, tmp_path, damage):
  copy = shutil.copytree(folder, tmp_path / 'copy')
  path = next(copy.rglob('vocab.txt'))
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(UserError, match=r'vocab\.txt is damaged or belongs to'):
    text_model.load(str(path.parent))


def test_texts_keep_their_order_in_batches_of_any_size(folder):
  model = text_model.load(str(folder))
  alone = [model.predict([text])[0] for text in _TEXTS]
  for batch_size in (1, 2, 64):
    together = model.predict(_TEXTS, batch_size)
    assert [p.label for p in together] == [p.label for p in alone]
    np.testing.assert_allclose(
      [p.probabilities['1'] for p in together],
      [p.probabilities['1'] for p in alone],
      rtol=1e-5,
    )
  assert together[0] == together[4]  # The folder says that text is lower-cased.
  assert model.predict([]) == []


@pytest.mark.parametrize(
  ('texts', 'batch_size'), [(_TEXTS[:1], 64), (_TEXTS, 64), (_TEXTS, 2)]
)
def test_the_first_answer_is_that_of_later_calls(folder, texts, batch_size):
  model = text_model.load(str(folder))
  first = model.logits(texts, batch_size)
  assert first.shape == (len(texts), 2)
  for batch_size in (64, 2):
    later = model.logits(texts, batch_size)
    np.testing.assert_allclose(later, first, rtol=1e-5, atol=1e-6)


def test_probabilities_add_up_to_1_and_the_label_has_the_highest(folder):
  predictions = [*text_model.load(str(folder)).predict(_TEXTS)]
  assert len(predictions) == len(_TEXTS)
  for prediction in predictions:
    probabilities = prediction.probabilities
    assert sum(probabilities.values()) == pytest.approx(1)
    assert prediction.label == max(probabilities, key=probabilities.get)
    assert prediction.value is None


@pytest.mark.slow
def test_a_temperature_divides_the_logits(folder):
  logits = text_model.load(str(folder)).logits(_TEXTS).astype(np.float64)
  model_file.write_temperature(str(folder), 2.0)
  odds = [
    p.probabilities['1'] / p.probabilities['0']
    for p in text_model.load(str(folder)).predict(_TEXTS)
  ]
  expected = np.exp((logits[:, 1] - logits[:, 0]) / 2)
  np.testing.assert_allclose(odds, expected, rtol=1e-5)


@pytest.mark.slow
def test_a_copy_of_the_model_alone_is_the_same_model(folder, tmp_path):
  copy = tmp_path / 'copy'
  copy.mkdir()
  kept = ('model', 'bert_config', 'vocab', 'checkpoint')
  for path in folder.iterdir():
    if path.name.startswith(kept) and path.is_file():
      shutil.copy(path, copy)
  expected = text_model.load(str(folder)).predict(_TEXTS)
  model = text_model.load(str(copy))
  assert model.predict(_TEXTS) == expected
  assert model.max_seq_length == 16


def test_the_longest_input_of_other_programs_is_theirs(tmp_path):
  config = configs.compact_config('2/128', vocab_size=30)
  google = location.Checkpoint(str(tmp_path / 'bert_model.ckpt'))
  assert not google.is_hugging_face  # Its format does not record it.
  assert text_model.longest_input(google, config) == 128
  (tmp_path / 'config.json').write_text('{"max_position_embeddings": 512}')
  other = location.Checkpoint(str(tmp_path / 'model.safetensors'))
  assert other.is_hugging_face
  assert text_model.longest_input(other, config) == 512
  path = tmp_path / 'tokenizer_config.json'
  path.write_text('{"model_max_length": 256}')
  assert text_model.longest_input(other, config) == 256


def test_a_pair_for_a_model_of_single_texts_is_refused(folder):
  model = text_model.load(str(folder))
  with pytest.raises(UserError, match=r'expected one text, received \('):
    model.predict(['a film', ('a', 'b')])


@pytest.mark.slow
def test_an_encoder_without_a_head_is_refused(world):
  records = world / 'records'
  tiny_world.make_records(world, str(records))
  flags = tiny_world.task_flags(
    world,
    task_name=None,
    data_dir=None,
    num_train_epochs=None,
    input_file=records,
    max_predictions_per_seq=3,
    num_train_steps=1,
  )
  tiny_world.run('run_pretraining', *flags, '--do_train')
  with pytest.raises(UserError, match='no head for a task.*pre-trained only'):
    text_model.load(str(world / 'out'))


@pytest.mark.parametrize(
  ('removed', 'message'),
  [
    (['vocab.txt'], r'there is no .*vocab\.txt'),
    (['bert_config.json'], r'no bert_config\.json'),
    (['model.json', 'labels.txt'], 'the names of its 2 labels are unknown'),
  ],
)
def test_what_is_missing_is_named(folder, removed, message):
  for name in removed:
    (folder / name).unlink()
  with pytest.raises(UserError, match=message):
    text_model.load(str(folder))


def test_more_labels_than_outputs_are_refused(folder):
  path = folder / 'model.json'
  values = json.loads(path.read_text())
  values['task']['labels'] = ['0', '1', '2']
  path.write_text(json.dumps(values))
  (folder / 'labels.txt').unlink()
  with pytest.raises(UserError, match='2 outputs, but 3 labels'):
    text_model.load(str(folder))


@pytest.mark.slow
def test_a_folder_that_does_not_record_its_task_takes_pairs_too(folder):
  model = text_model.load(str(folder))
  path = folder / 'model.json'
  values = json.loads(path.read_text())
  path.unlink()
  older = text_model.load(str(folder))
  assert (model.takes_pairs, older.takes_pairs) == (False, None)
  short = _TEXTS[:2]  # Neither model cuts them.
  np.testing.assert_allclose(older.logits(short), model.logits(short))
  values['task']['is_pair'] = True
  path.write_text(json.dumps(values))
  of_pairs = text_model.load(str(folder))
  pairs = [('the film', 'is good .'), ('is', '')]
  np.testing.assert_allclose(
    older.logits(pairs), of_pairs.logits(pairs), rtol=1e-5, atol=1e-6
  )
  with pytest.raises(UserError, match="a pair of texts, received 'a'"):
    older.predict([*pairs, 'a'])


def test_a_vocabulary_may_be_smaller_than_the_model_s_table(folder):
  checkpoint = location.locate(str(folder))
  config = checkpoint.required_config()
  padded = dataclasses.replace(config, vocab_size=24)
  assert text_model.tokenizer_of(checkpoint, padded).vocab_size == 20
  cut = dataclasses.replace(config, vocab_size=19)
  with pytest.raises(
    UserError, match='has 20 tokens, but the model has 19 ids'
  ):
    text_model.tokenizer_of(checkpoint, cut)


def test_a_folder_that_records_no_casing_is_uncased(folder):
  for name in ('model.json', 'run.json', 'tokenizer_config.json'):
    (folder / name).unlink(missing_ok=True)
  checkpoint = location.locate(str(folder))
  config = checkpoint.required_config()
  assert text_model.tokenizer_of(checkpoint, config).do_lower_case


def test_the_longest_input_of_a_folder_without_model_json(folder):
  checkpoint = location.locate(str(folder))
  config = checkpoint.required_config()
  large = dataclasses.replace(config, max_position_embeddings=512)
  path = folder / 'tokenizer_config.json'
  for content, expected in (('{}', 128), ('{"model_max_length": 64}', 64)):
    path.write_text(content)
    assert text_model.longest_input(checkpoint, large) == expected
    assert text_model.longest_input(checkpoint, config) == 32
