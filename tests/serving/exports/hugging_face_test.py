"""Tests for the format of Hugging Face."""

import json
import pathlib

import numpy as np
import pytest

from modeling.checkpoints import location, stored_weights
from serving import text_model
from serving.exports import hugging_face, parts
from tools.import_hugging_face import import_folder

_KINDS = ('classifier', 'pairs', 'regressor', 'pretraining')


def _written(parts, folder):
  folder.mkdir()
  hugging_face.write(parts, str(folder))
  return folder


def _json(path):
  return json.loads(path.read_text())


def test_the_configuration_has_their_activation_and_the_labels(
  parts_of, tmp_path
):
  folder = _written(parts_of('classifier'), tmp_path / 'out')
  config = _json(folder / 'config.json')
  assert config['architectures'] == ['BertForSequenceClassification']
  assert config['hidden_act'] == 'gelu_new'
  assert config['id2label'] == {'0': 'bad', '1': 'good', '2': 'so so'}
  assert config['label2id'] == {'bad': 0, 'good': 1, 'so so': 2}
  assert config['classifier_dropout'] == 0.1
  assert config['problem_type'] == 'single_label_classification'
  assert config['pad_token_id'] == 0


def test_a_regressor_predicts_one_number(parts_of, tmp_path):
  folder = _written(parts_of('regressor'), tmp_path / 'out')
  config = _json(folder / 'config.json')
  assert config['problem_type'] == 'regression'
  assert config['id2label'] == {'0': 'LABEL_0'}


def test_the_activation_of_the_exact_form_is_their_gelu(parts_of, tmp_path):
  model = parts_of('pretraining', hidden_act='gelu_erf')
  config = _json(_written(model, tmp_path / 'out') / 'config.json')
  assert config['hidden_act'] == 'gelu'
  assert config['architectures'] == ['BertForPreTraining']
  assert 'id2label' not in config


@pytest.mark.parametrize('is_lower', [True, False])
def test_the_files_of_the_tokenizer_record_the_casing(
  model_folder, tmp_path, is_lower
):
  source = model_folder('classifier')
  path = pathlib.Path(source, 'model.json')
  path.write_text(json.dumps({**_json(path), 'do_lower_case': is_lower}))
  folder = _written(parts.read(source), tmp_path / 'out')
  settings = _json(folder / 'tokenizer_config.json')
  whole = _json(folder / 'tokenizer.json')
  assert settings['do_lower_case'] is is_lower
  assert settings['model_max_length'] == 16
  assert whole['normalizer']['lowercase'] is is_lower
  assert whole['truncation']['max_length'] == 16


@pytest.mark.parametrize('kind', _KINDS)
def test_the_export_imports_as_the_same_bytes(parts_of, tmp_path, kind):
  model = parts_of(kind)
  folder = _written(model, tmp_path / 'out')
  import_folder(str(folder), str(tmp_path / 'back'))
  back = location.locate(str(tmp_path / 'back'))
  assert back.checksum() == model.checkpoint.checksum()
  assert back.config()[1] == model.config
  assert back.casing()[1] is True
  assert len(stored_weights.read_variables(back)) == len(model.weights)


def test_our_own_reader_answers_alike_from_the_export(parts_of, tmp_path):
  model = parts_of('classifier')
  folder = _written(model, tmp_path / 'out')
  some = ['the film is good .', 'the plot was dull .', '']
  ours, theirs = model.text_model, text_model.load(str(folder))
  np.testing.assert_array_equal(theirs.logits(some), ours.logits(some))
  assert theirs.labels == ours.labels


@pytest.mark.parametrize('kind', _KINDS)
def test_the_card_shows_how_to_use_the_model(parts_of, tmp_path, kind):
  card = (_written(parts_of(kind), tmp_path / 'out') / 'README.md').read_text()
  code = card.split('```python\n')[1].split('```')[0]
  compile(code, 'card', 'exec')
  assert 'from transformers import' in code


def test_the_card_has_the_scores_of_the_run(model_folder, tmp_path):
  folder = pathlib.Path(model_folder('classifier'))
  results = 'eval_accuracy = 0.75\nglobal_step = 1\n'
  (folder / 'eval_results.txt').write_text(results)
  written = _written(parts.read(str(folder), 'task'), tmp_path / 'out')
  assert '| accuracy | 0.7500 |' in (written / 'README.md').read_text()
  encoder = _written(parts.read(str(folder), 'none'), tmp_path / 'encoder')
  assert 'accuracy' not in (encoder / 'README.md').read_text()


def test_duplicate_and_blank_tokens_get_names_that_match_no_text(
  model_folder, world, tmp_path
):
  lines = (world / 'vocab.txt').read_text().split('\n')
  lines[6], lines[7] = '\u2028', '\u2028'
  (world / 'vocab.txt').write_text('\n'.join(lines))
  model = parts.read(model_folder('classifier'))
  folder = _written(model, tmp_path / 'out')
  vocabulary = _json(folder / 'tokenizer.json')['model']['vocab']
  assert vocabulary['[no token 6]'] == 6 and vocabulary['[no token 7]'] == 7
  assert sorted(vocabulary.values()) == list(range(model.config.vocab_size))


@pytest.mark.slow
@pytest.mark.parametrize('kind', [*_KINDS, 'encoder'])
def test_transformers_alone_computes_the_same(parts_of, needs, exported, kind):
  needs('hugging_face')
  is_encoder = kind == 'encoder'
  kind = 'pretraining' if is_encoder else kind
  model = parts_of(kind, 'none' if is_encoder else 'auto')
  report = exported(hugging_face.FORMAT, model)
  assert report['largest_difference'] <= 1e-5
  assert report['equal_token_ids'] == 1.0
  assert report['equal_labels'] == (1.0 if model.labels else None)
  assert report['versions'].keys() == {'torch', 'transformers'}
