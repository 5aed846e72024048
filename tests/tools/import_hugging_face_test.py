"""The import of Hugging Face folders: the tool and the conversion."""

import errno
import gzip
import json
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
import tiny_pytorch

from data.text.vocabulary import SPECIAL
from modeling import models
from modeling.checkpoints import (
  hugging_face,
  loading,
  location,
  pytorch_file,
  stored_weights,
)
from modeling.configs import BertConfig
from serving import text_model
from system.errors import UserError
from tools.import_hugging_face import import_folder

# V=5, H=4, L=1, A=2, intermediate 6.
CONFIG = {
  'architectures': ['BertModel'],
  'attention_probs_dropout_prob': 0.1,
  'hidden_act': 'gelu',
  'hidden_dropout_prob': 0.1,
  'hidden_size': 4,
  'initializer_range': 0.02,
  'intermediate_size': 6,
  'layer_norm_eps': 1e-12,
  'max_position_embeddings': 7,
  'model_type': 'bert',
  'num_attention_heads': 2,
  'num_hidden_layers': 1,
  'position_embedding_type': 'absolute',
  'type_vocab_size': 2,
  'use_cache': True,
  'vocab_size': 5,
}
LAYER = 'encoder.layer.0.'
SHAPES = {
  'embeddings.word_embeddings.weight': (5, 4),
  'embeddings.position_embeddings.weight': (7, 4),
  'embeddings.token_type_embeddings.weight': (2, 4),
  'embeddings.LayerNorm.weight': (4,),
  'embeddings.LayerNorm.bias': (4,),
  LAYER + 'attention.self.query.weight': (4, 4),
  LAYER + 'attention.self.query.bias': (4,),
  LAYER + 'attention.self.key.weight': (4, 4),
  LAYER + 'attention.self.key.bias': (4,),
  LAYER + 'attention.self.value.weight': (4, 4),
  LAYER + 'attention.self.value.bias': (4,),
  LAYER + 'attention.output.dense.weight': (4, 4),
  LAYER + 'attention.output.dense.bias': (4,),
  LAYER + 'attention.output.LayerNorm.weight': (4,),
  LAYER + 'attention.output.LayerNorm.bias': (4,),
  LAYER + 'intermediate.dense.weight': (6, 4),
  LAYER + 'intermediate.dense.bias': (6,),
  LAYER + 'output.dense.weight': (4, 6),
  LAYER + 'output.dense.bias': (4,),
  LAYER + 'output.LayerNorm.weight': (4,),
  LAYER + 'output.LayerNorm.bias': (4,),
  'pooler.dense.weight': (4, 4),
  'pooler.dense.bias': (4,),
}


def make_tensors():
  """Returns the tensors of an encoder; all values are distinct."""
  tensors = {}
  for number, (name, shape) in enumerate(SHAPES.items()):
    count = int(np.prod(shape))
    values = 1000 * number + np.arange(count, dtype=np.float32)
    tensors[name] = values.reshape(shape)
  return tensors


def write_folder(folder, tensors=None, config=CONFIG, num_tokens=5):
  folder.mkdir(exist_ok=True)
  (folder / 'config.json').write_text(json.dumps(config))
  words = [*SPECIAL, *(f'token{i}' for i in range(5, num_tokens))]
  (folder / 'vocab.txt').write_text(''.join(f'{word}\n' for word in words))
  safetensors.numpy.save_file(
    make_tensors() if tensors is None else tensors,
    folder / 'model.safetensors',
  )
  return str(folder)


def imported(folder):
  """Imports a folder; returns the new checkpoint's values and the report."""
  output_dir = str(folder) + '.out'
  lines = import_folder(str(folder), output_dir)
  checkpoint = location.locate(output_dir)
  names = stored_weights.read_variables(checkpoint)
  return {
    name: tf.train.load_variable(checkpoint.prefix, name) for name in names
  }, lines


@pytest.fixture
def folder(tmp_path):
  write_folder(tmp_path / 'hf')
  return tmp_path / 'hf'


def test_only_kernels_are_transposed(folder):
  values, _ = imported(folder)
  tensors = make_tensors()
  layer = 'bert/encoder/layer_0/'
  for name, expected in {
    'bert/embeddings/word_embeddings': tensors[
      'embeddings.word_embeddings.weight'
    ],
    'bert/embeddings/LayerNorm/gamma': tensors['embeddings.LayerNorm.weight'],
    'bert/embeddings/LayerNorm/beta': tensors['embeddings.LayerNorm.bias'],
    layer + 'attention/self/query/kernel': tensors[
      LAYER + 'attention.self.query.weight'
    ].T,
    layer + 'intermediate/dense/kernel': tensors[
      LAYER + 'intermediate.dense.weight'
    ].T,
    layer + 'output/dense/bias': tensors[LAYER + 'output.dense.bias'],
    'bert/pooler/dense/kernel': tensors['pooler.dense.weight'].T,
  }.items():
    np.testing.assert_array_equal(values[name], expected, err_msg=name)


def test_encoder_of_the_written_config_takes_every_variable(folder):
  values, _ = imported(folder)
  config = BertConfig.from_json_file(f'{folder}.out/bert_config.json')
  model = models.Classifier(config, 2)
  report = loading.load_released(
    location.locate(f'{folder}.out'), models.released_variables(model)
  )
  assert len(report.loaded) == len(values) == len(SHAPES)
  assert report.missing == ['output_bias', 'output_weights']
  assert not report.unused


def test_vocabulary_is_copied(folder):
  imported(folder)
  assert (
    pathlib.Path(f'{folder}.out/vocab.txt').read_bytes()
    == (folder / 'vocab.txt').read_bytes()
  )


def test_prefix_old_layer_norm_names_and_buffers_do_not_matter(
  folder, tmp_path
):
  old = {
    'bert.'
    + name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace(
      'LayerNorm.bias', 'LayerNorm.beta'
    ): value
    for name, value in make_tensors().items()
  }
  old['bert.embeddings.position_ids'] = np.arange(7).reshape(1, 7)
  write_folder(tmp_path / 'old', old)
  expected, _ = imported(folder)
  values, lines = imported(tmp_path / 'old')
  assert values.keys() == expected.keys()
  for name in values:
    np.testing.assert_array_equal(values[name], expected[name])
  assert not any('unused' in line for line in lines)


def test_heads_are_imported(tmp_path):
  bias = np.arange(5, dtype=np.float32)
  heads = {
    'cls.predictions.bias': bias,
    'cls.predictions.decoder.bias': bias,
    'cls.predictions.decoder.weight': make_tensors()[
      'embeddings.word_embeddings.weight'
    ],
    'cls.predictions.transform.dense.weight': np.float32(
      np.arange(16).reshape(4, 4)
    ),
    'cls.predictions.transform.dense.bias': np.float32([1, 2, 3, 4]),
    'cls.predictions.transform.LayerNorm.weight': np.float32([5, 6, 7, 8]),
    'cls.predictions.transform.LayerNorm.bias': np.float32([9, 8, 7, 6]),
    'cls.seq_relationship.weight': np.float32(np.arange(8).reshape(2, 4)),
    'cls.seq_relationship.bias': np.float32([3, 1]),
    'classifier.weight': np.float32(np.arange(12).reshape(3, 4)),
    'classifier.bias': np.float32([1, 2, 3]),
  }
  write_folder(tmp_path / 'hf', make_tensors() | heads)
  values, lines = imported(tmp_path / 'hf')
  for name, expected in {
    'cls/predictions/output_bias': bias,
    'cls/predictions/transform/dense/kernel': heads[
      'cls.predictions.transform.dense.weight'
    ].T,
    'cls/predictions/transform/dense/bias': [1, 2, 3, 4],
    'cls/predictions/transform/LayerNorm/gamma': [5, 6, 7, 8],
    'cls/predictions/transform/LayerNorm/beta': [9, 8, 7, 6],
    'cls/seq_relationship/output_weights': heads['cls.seq_relationship.weight'],
    'cls/seq_relationship/output_bias': [3, 1],
    'output_weights': heads['classifier.weight'],
    'output_bias': [1, 2, 3],
  }.items():
    np.testing.assert_array_equal(values[name], expected, err_msg=name)
  assert len(values) == len(SHAPES) + 9
  assert any(line.startswith('heads (9): cls/predictions/') for line in lines)


def test_untied_decoder_is_rejected(tmp_path):
  untied = {'cls.predictions.decoder.weight': np.zeros((5, 4), np.float32)}
  write_folder(tmp_path / 'hf', make_tensors() | untied)
  with pytest.raises(UserError, match='bert/embeddings/word_embeddings: rel'):
    imported(tmp_path / 'hf')


def test_unknown_tensors_are_named(tmp_path):
  odd = {'adapter.weight': np.zeros(2, np.float32)}
  write_folder(tmp_path / 'hf', make_tensors() | odd)
  _, lines = imported(tmp_path / 'hf')
  assert 'unused (1): adapter.weight' in lines


@pytest.mark.parametrize(
  ('theirs', 'ours'),
  [
    ('gelu', 'gelu_erf'),
    ('gelu_new', 'gelu'),
    ('gelu_pytorch_tanh', 'gelu'),
    ('relu', 'relu'),
  ],
)
def test_activations_are_translated(theirs, ours):
  config = hugging_face.released_config(CONFIG | {'hidden_act': theirs})
  assert config.hidden_act == ours


def test_keys_left_out_take_the_defaults_of_transformers():
  config = hugging_face.released_config({})
  assert (config.vocab_size, config.type_vocab_size) == (30522, 2)
  assert config.hidden_act == 'gelu_erf'


@pytest.mark.parametrize(
  ('key', 'value'),
  [
    ('hidden_act', 'silu'),
    ('model_type', 'roberta'),
    ('position_embedding_type', 'relative_key'),
    ('layer_norm_eps', 1e-5),
    ('is_decoder', True),
  ],
)
def test_unsupported_models_are_rejected(tmp_path, key, value):
  write_folder(tmp_path / 'hf', config=CONFIG | {key: value})
  with pytest.raises(UserError, match=f'config.json: {key} is {value!r}'):
    imported(tmp_path / 'hf')


def test_missing_weights_are_named_and_nothing_is_written(tmp_path):
  tensors = make_tensors()
  del tensors[LAYER + 'output.dense.bias']
  write_folder(tmp_path / 'hf', tensors)
  with pytest.raises(UserError, match='lacks .*layer_0/output/dense/bias$'):
    imported(tmp_path / 'hf')
  assert not (tmp_path / 'hf.out').exists()


def test_missing_pooler_is_rejected_without_fresh_pooler(tmp_path):
  tensors = {
    name: value for name, value in make_tensors().items() if 'pool' not in name
  }
  folder = write_folder(tmp_path / 'hf', tensors)
  with pytest.raises(UserError, match='pooler/dense/bias.*--fresh_pooler'):
    import_folder(folder, str(tmp_path / 'out'))
  lines = import_folder(folder, str(tmp_path / 'out'), fresh_pooler=True)
  assert any(
    line.startswith('freshly initialised (2): bert/p') for line in lines
  )
  kernel = tf.train.load_variable(
    str(tmp_path / 'out' / 'bert_model.ckpt'), 'bert/pooler/dense/kernel'
  )
  assert kernel.shape == (4, 4)
  assert 0.0 < np.abs(kernel).max() < 0.05  # Two deviations of 0.02.


def test_wrong_shape_is_named(tmp_path):
  write_folder(tmp_path / 'hf', config=CONFIG | {'vocab_size': 6})
  with pytest.raises(
    UserError, match=r'word_embeddings has the shape \[5, 4\] .* \[6, 4\]'
  ):
    imported(tmp_path / 'hf')


def test_vocabulary_that_is_too_long_is_rejected(tmp_path):
  write_folder(tmp_path / 'hf', num_tokens=6)
  with pytest.raises(UserError, match='vocab.txt has 6 tokens.* model has 5 '):
    imported(tmp_path / 'hf')


def test_padding_ids_get_unused_names(tmp_path):
  folder = tmp_path / 'hf'
  tensors = make_tensors()
  words = np.zeros((8, 4), np.float32)
  tensors['embeddings.word_embeddings.weight'] = words
  write_folder(folder, tensors, CONFIG | {'vocab_size': 8})
  vocab = '[PAD]\n[unused0]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n'
  (folder / 'vocab.txt').write_bytes(gzip.compress(vocab.encode()))
  _, lines = imported(folder)
  assert (tmp_path / 'hf.out' / 'vocab.txt').read_text() == (
    vocab + '[unused1]\n[unused2]\n'
  )
  assert any('vocab.txt' in x and '(2): [unused1], [un' in x for x in lines)


@pytest.mark.parametrize('name', ['vocab.txt', 'tokenizer.json'])
def test_a_vocabulary_without_a_special_token_is_refused(folder, name):
  tokens = [*SPECIAL[:-1], 'mask']
  (folder / 'vocab.txt').write_text(''.join(f'{x}\n' for x in tokens))
  if name == 'tokenizer.json':
    (folder / 'vocab.txt').unlink()
    ids = {token: i for i, token in enumerate(tokens)}
    model = {'type': 'WordPiece', 'vocab': ids}
    write_json(folder / name, WHOLE | {'model': model})
  with pytest.raises(UserError, match=f'{name} lacks .MASK. in its 5 lines'):
    imported(folder)
  assert not pathlib.Path(f'{folder}.out').exists()


def test_a_vocabulary_of_another_model_is_rejected(tmp_path):
  config = {**CONFIG, 'vocab_size': 133}
  write_folder(tmp_path / 'hf', config=config)
  with pytest.raises(UserError, match='has 5 tokens, .* has 133 .* 127 fewer'):
    imported(tmp_path / 'hf')


@pytest.mark.parametrize(
  'name', ['config.json', 'vocab.txt', 'model.safetensors']
)
def test_missing_file_is_named(folder, name):
  (folder / name).unlink()
  with pytest.raises(UserError, match=f'no {name} .*in .* which holds'):
    imported(folder)


def test_missing_folder_is_named(tmp_path):
  with pytest.raises(UserError, match="no folder '.*nowhere'"):
    imported(tmp_path / 'nowhere')


@pytest.mark.parametrize('num_bytes', [0, 100, -1])
def test_damaged_weights_are_a_user_error(folder, num_bytes):
  path = folder / 'model.safetensors'
  path.write_bytes(path.read_bytes()[:num_bytes])
  with pytest.raises(UserError, match='model.safetensors is damaged'):
    imported(folder)


def test_half_precision_weights_become_float32(tmp_path):
  half = {name: np.float16(value) for name, value in make_tensors().items()}
  write_folder(tmp_path / 'hf', half)
  values, _ = imported(tmp_path / 'hf')
  assert {value.dtype for value in values.values()} == {np.dtype('float32')}


def test_the_report_names_the_casing_of_the_vocabulary(folder):
  (folder / 'tokenizer_config.json').write_text('{"do_lower_case": false}')
  assert imported(folder)[1][-1] == 'use --do_lower_case=False'


@pytest.mark.slow
def test_script_imports_a_folder(folder, tmp_path):
  result = subprocess.run(
    [
      sys.executable,
      '-m',
      'tools.import_hugging_face',
      f'--input_dir={folder}',
      f'--output_dir={tmp_path}/out',
    ],
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stderr
  assert '23 variables' in result.stdout
  assert (tmp_path / 'out' / 'bert_model.ckpt.index').exists()


def test_a_folder_loads_the_same_weights_with_and_without_import(folder):
  values, _ = imported(folder)
  checkpoint = location.locate(str(folder))
  assert checkpoint.prefix == f'{folder}/model.safetensors'
  path, config = checkpoint.config()
  assert path == f'{folder}/config.json'
  # Its 'gelu' is the exact form, which is 'gelu_erf' here.
  assert config.hidden_act == 'gelu_erf'
  variables = models.released_variables(models.Classifier(config, 2))
  report = loading.load_released(checkpoint, variables)
  assert report.missing == ['output_bias', 'output_weights']
  for name, value in values.items():
    np.testing.assert_array_equal(variables[name].numpy(), value)
  assert len(checkpoint.checksum()) == 64


CLASSIFIER = {
  'classifier.weight': np.ones((3, 4), np.float32),
  'classifier.bias': np.float32([5, 0, 0]),
}
NLI = {'0': 'entailment', '1': 'neutral', '2': 'contradiction'}


def write_json(path, value):
  path.write_text(json.dumps(value))


def test_labels_and_casing_come_with_the_weights(tmp_path):
  folder = tmp_path / 'hf'
  config = CONFIG | {'id2label': NLI}
  write_folder(folder, make_tensors() | CLASSIFIER, config)
  write_json(folder / 'tokenizer_config.json', {'do_lower_case': False})
  _, lines = imported(folder)
  assert 'labels (3): entailment, neutral, contradiction' in lines
  out = tmp_path / 'hf.out'
  assert (out / 'labels.txt').read_text().split() == list(NLI.values())
  assert location.locate(str(out)).casing() == (
    str(out / 'tokenizer_config.json'),
    False,
  )
  # The user's own labels precede those of config.json.
  (folder / 'labels.txt').write_text('no\nmaybe\nyes\n')
  assert 'labels (3): no, maybe, yes' in imported(folder)[1]
  assert (out / 'labels.txt').read_text().split() == ['no', 'maybe', 'yes']
  # Another import into the same folder leaves nothing of the first.
  (folder / 'tokenizer_config.json').unlink()
  write_folder(folder)
  imported(folder)
  assert sorted(path.name for path in out.iterdir()) == [
    *('bert_config.json', 'bert_model.ckpt.data-00000-of-00001'),
    *('bert_model.ckpt.index', 'vocab.txt'),
  ]


def test_a_classifier_keeps_its_longest_input_and_names_no_classes(tmp_path):
  folder = tmp_path / 'hf'
  write_folder(folder, make_tensors() | CLASSIFIER)
  write_json(folder / 'tokenizer_config.json', {'model_max_length': 6})
  _, lines = imported(folder)
  assert any(x.startswith('the classes have no names: write') for x in lines)
  config = hugging_face.released_config(CONFIG)
  for path in (folder, tmp_path / 'hf.out'):
    assert text_model.longest_input(location.locate(str(path)), config) == 6


@pytest.mark.parametrize(
  ('changes', 'reason'),
  [
    (
      {'architectures': ['BertForTokenClassification']},
      'says that the model is a BertForTokenClassification',
    ),
    (
      {'problem_type': 'multi_label_classification'},
      'says problem_type multi_label_classification',
    ),
  ],
)
def test_a_head_that_does_not_label_whole_texts_is_not_used(
  tmp_path, changes, reason
):
  folder = tmp_path / 'hf'
  write_folder(folder, make_tensors() | CLASSIFIER, CONFIG | changes)
  weights, lines = imported(folder)
  assert 'output_bias' not in weights
  assert any(x.startswith('unused (2): classifier.') for x in lines)
  assert f'the head is unused: {folder}/config.json {reason}' in lines
  with pytest.raises(
    UserError, match=f'no head for a .*{reason}, whose head does not'
  ):
    text_model.num_outputs_of(location.locate(str(folder)))


def test_integers_are_no_weights(tmp_path):
  tensors = make_tensors()
  name = 'pooler.dense.weight'
  tensors[name] = tensors[name].astype(np.int8)
  write_folder(tmp_path / 'hf', tensors)
  message = (
    'model.safetensors: pooler.dense.weight holds .* type int8, expected'
  )
  with pytest.raises(UserError, match=message):
    imported(tmp_path / 'hf')


def test_a_bert_config_beside_a_hugging_face_model_is_not_taken(folder):
  other = CONFIG | {'hidden_act': 'relu'}
  write_json(folder / 'bert_config.json', other)
  path, config = location.locate(str(folder)).config()
  assert path == str(folder / 'config.json')
  assert config.hidden_act == 'gelu_erf'


def test_the_folder_of_another_model_is_refused(folder, tmp_path):
  write_json(folder / 'tokenizer_config.json', {'model_max_length': 7})
  before = {path: path.read_bytes() for path in folder.iterdir()}
  write_folder(tmp_path / 'other')
  for source in (folder, tmp_path / 'other'):
    with pytest.raises(UserError, match='holds another .*/model.safetensors'):
      import_folder(str(source), str(folder))
  assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_an_export_records_comes_with_the_weights(tmp_path):
  folder = tmp_path / 'hf'
  write_folder(folder, make_tensors() | CLASSIFIER, CONFIG | {'id2label': NLI})
  record = {
    'labels': list(NLI.values()),
    'max_seq_length': 4,
    'takes_pairs': True,
    'temperature': 1.5,
  }
  write_json(folder / 'export.json', record)
  _, lines = imported(folder)
  assert 'export.json → model.json' in lines
  checkpoint = location.locate(str(tmp_path / 'hf.out'))
  checkpoint.check_recorded()
  content = checkpoint.description()
  assert content.task.labels == tuple(NLI.values())
  assert content.task.is_pair
  assert (content.max_seq_length, content.temperature) == (4, 1.5)
  assert set(content.checksums) == {
    *('bert_config.json', 'bert_model.ckpt.data-00000-of-00001'),
    *('bert_model.ckpt.index', 'vocab.txt'),
  }
  # Another import into the same folder does not keep it.
  (folder / 'export.json').unlink()
  imported(folder)
  assert location.locate(str(tmp_path / 'hf.out')).description() is None


@pytest.mark.parametrize(
  ('record', 'message'),
  [
    ({'labels': ['a', 'b', 'c']}, "has the labels 'a, b, c', but other files"),
    ({'labels': ['a', 'a', 'b']}, 'export.json: labels is'),
    ({'temperature': 0}, 'export.json: temperature is 0'),
  ],
)
def test_a_wrong_record_of_an_export_is_refused(tmp_path, record, message):
  folder = tmp_path / 'hf'
  write_folder(folder, make_tensors() | CLASSIFIER, CONFIG | {'id2label': NLI})
  write_json(folder / 'export.json', {'takes_pairs': True, **record})
  with pytest.raises(UserError, match=message):
    imported(folder)
  assert not (tmp_path / 'hf.out').exists()


def test_names_of_another_number_of_classes_are_refused(tmp_path):
  config = CONFIG | {'id2label': {'0': 'no', '1': 'yes'}}
  write_folder(tmp_path / 'hf', make_tensors() | CLASSIFIER, config)
  with pytest.raises(UserError, match='config.json names 2 classes, .* have 3'):
    imported(tmp_path / 'hf')


NORMALIZER = {
  'type': 'BertNormalizer',
  'clean_text': True,
  'handle_chinese_chars': True,
  'strip_accents': None,
  'lowercase': True,
}
WHOLE = {
  'normalizer': NORMALIZER,
  'pre_tokenizer': {'type': 'BertPreTokenizer'},
  'model': {
    'type': 'WordPiece',
    'vocab': {token: i for i, token in enumerate(SPECIAL)},
  },
}


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    ('tokenizer_config.json', {'strip_accents': False}, 'strip_accents is Fal'),
    (
      'tokenizer_config.json',
      {'do_lower_case': False, 'strip_accents': True},
      'strip_accents is True, expected False',
    ),
    (
      'tokenizer_config.json',
      {'tokenize_chinese_chars': False},
      'tokenize_chinese_chars is False, expected True',
    ),
    (
      'tokenizer_config.json',
      {'word_tokenizer_type': 'mecab'},
      "word_tokenizer_type is 'mecab', expected 'basic'",
    ),
    (
      'tokenizer.json',
      WHOLE | {'normalizer': NORMALIZER | {'handle_chinese_chars': False}},
      'tokenize_chinese_chars is False',
    ),
    (
      'tokenizer.json',
      WHOLE | {'normalizer': {'type': 'NFKC'}},
      "normalizer is 'NFKC', expected BertNormalizer",
    ),
    ('tokenizer.json', WHOLE | {'model': {'type': 'BPE'}}, "model is 'BPE'"),
  ],
)
def test_a_tokenizer_that_splits_otherwise_is_refused(
  folder, name, content, message
):
  write_json(folder / name, content)
  with pytest.raises(UserError, match=f'{name}: .*{message}'):
    imported(folder)
  assert not pathlib.Path(f'{folder}.out').exists()


def test_a_tokenizer_like_released_bert_s_is_accepted(folder):
  write_json(folder / 'tokenizer.json', WHOLE)
  write_json(
    folder / 'tokenizer_config.json',
    {'do_lower_case': False, 'strip_accents': None, 'never_split': None},
  )
  # tokenizer_config.json precedes tokenizer.json.
  assert imported(folder)[1][-1] == 'use --do_lower_case=False'


def test_the_vocabulary_may_be_in_tokenizer_json(folder):
  expected = (folder / 'vocab.txt').read_text()
  (folder / 'vocab.txt').unlink()
  write_json(folder / 'tokenizer.json', WHOLE)
  assert imported(folder)[1][-1] == 'use --do_lower_case=True'
  assert pathlib.Path(f'{folder}.out/vocab.txt').read_text() == expected


ADDED = [
  ('added_tokens.json', {'covid': 5, '<e1>': 7}),
  (
    'tokenizer_config.json',
    {
      'added_tokens_decoder': {
        '5': {'content': 'covid'},
        '7': {'content': '<e1>'},
      }
    },
  ),
  (
    'tokenizer.json',
    {
      **WHOLE,
      'added_tokens': [
        {'id': 0, 'content': '[PAD]'},
        {'id': 5, 'content': 'covid'},
        {'id': 7, 'content': '<e1>'},
      ],
    },
  ),
]


@pytest.mark.parametrize(('name', 'content'), ADDED)
def test_added_tokens_keep_their_ids(tmp_path, name, content):
  folder = tmp_path / 'hf'
  tensors = make_tensors()
  words = np.zeros((8, 4), np.float32)
  tensors['embeddings.word_embeddings.weight'] = words
  write_folder(folder, tensors, CONFIG | {'vocab_size': 8})
  write_json(folder / name, content)
  _, lines = imported(folder)
  assert (tmp_path / 'hf.out' / 'vocab.txt').read_text().split() == [
    *(*SPECIAL, 'covid', '[unused0]', '<e1>')
  ]
  assert 'added tokens, now in vocab.txt (2): covid, <e1>' in lines
  # The tokenizer splits texts at punctuation.
  assert 'added tokens that no text has here (1): <e1>' in lines


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({'<e1>': 1}, r"'<e1>' has the id 1, which is '\[UNK\]' in the vocabulary"),
    ({'<e1>': 5}, "'<e1>' has the id 5, but .* has only 5 ids"),
    ({'<e1>': None}, "'<e1>' has the id None"),
  ],
)
def test_an_added_token_of_another_id_is_refused(folder, content, message):
  write_json(folder / 'added_tokens.json', content)
  with pytest.raises(UserError, match=message):
    imported(folder)


@pytest.mark.parametrize('prefix', ['module.', 'module.bert.', 'model.bert.'])
def test_names_of_wrapped_models_are_known(folder, tmp_path, prefix):
  tensors = {prefix + name: value for name, value in make_tensors().items()}
  write_folder(tmp_path / 'wrapped', tensors)
  expected, _ = imported(folder)
  values, _ = imported(tmp_path / 'wrapped')
  assert values.keys() == expected.keys()


def test_a_file_without_weights_of_a_bert_says_what_it_holds(tmp_path):
  write_folder(tmp_path / 'hf', {'lstm.weight': np.zeros(2, np.float32)})
  with pytest.raises(UserError, match='has no weights of a BERT.* lstm.weight'):
    imported(tmp_path / 'hf')


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(tmp_path, value):
  tensors = make_tensors()
  tensors['pooler.dense.weight'][1, 2] = value
  folder = write_folder(tmp_path / 'hf', tensors)
  message = 'safetensors .*NaN or infinite: bert/pooler/dense/kernel$'
  with pytest.raises(UserError, match=message):
    imported(tmp_path / 'hf')
  checkpoint = location.locate(folder)
  variables = models.released_variables(
    models.Classifier(checkpoint.config()[1], 2)
  )
  with pytest.raises(UserError, match=message):
    loading.load_released(checkpoint, variables)


def test_sharded_weights_are_read_by_their_index(folder, tmp_path):
  expected, _ = imported(folder)
  sharded = tmp_path / 'sharded'
  write_folder(sharded)
  (sharded / 'model.safetensors').unlink()
  tensors, names = make_tensors(), ('a.safetensors', 'b.safetensors')
  shard_of = {name: names[i % 2] for i, name in enumerate(tensors)}
  for shard in names:
    part = {x: value for x, value in tensors.items() if shard_of[x] == shard}
    safetensors.numpy.save_file(part, sharded / shard)
  index = sharded / 'model.safetensors.index.json'
  write_json(index, {'weight_map': shard_of})
  values, _ = imported(sharded)
  for name in expected:
    np.testing.assert_array_equal(values[name], expected[name])
  checkpoint = location.locate(str(sharded))
  assert checkpoint.prefix == str(index)
  assert checkpoint.data_files() == [str(sharded / name) for name in names]
  write_json(index, {'weight_map': {'x': '../hf/model.safetensors'}})
  with pytest.raises(UserError, match='index.json names .*files in its folder'):
    imported(sharded)


_DTYPES = ('float32', 'float16', 'bfloat16')


def _released(tensors, dtype):
  """Returns what the import makes of tensors that are stored in a dtype."""
  rounded = {x: tiny_pytorch.rounded(v, dtype) for x, v in tensors.items()}
  return hugging_face.released_weights(rounded)[0]


def _assert_imported(folder, expected):
  values, _ = imported(folder)
  assert values.keys() == expected.keys()
  for name, value in values.items():
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize('is_zip', [True, False])
@pytest.mark.parametrize('dtype', _DTYPES)
def test_weights_of_pytorch_are_read_without_it(folder, is_zip, dtype):
  (folder / 'model.safetensors').unlink()
  path = folder / 'pytorch_model.bin'
  tensors = make_tensors()
  tiny_pytorch.save(path, tensors, dtype, is_zip)
  _assert_imported(folder, _released(tensors, dtype))
  assert location.locate(str(folder)).prefix == str(path)


@pytest.mark.parametrize('is_zip', [True, False])
@pytest.mark.parametrize('dtype', _DTYPES)
@pytest.mark.slow
def test_pytorch_writes_and_reads_the_same(tmp_path, is_zip, dtype):
  torch = pytest.importorskip('torch')
  tensors = make_tensors()
  ours, theirs = tmp_path / 'ours.bin', tmp_path / 'theirs.bin'
  tiny_pytorch.save(ours, tensors, dtype, is_zip)
  loaded = torch.load(ours, weights_only=True)
  assert loaded.keys() == tensors.keys()
  for name, value in tensors.items():
    assert loaded[name].dtype == getattr(torch, dtype)
    assert loaded[name].stride() == (1, len(value))[: value.ndim]
    rounded = tiny_pytorch.rounded(value, dtype)
    np.testing.assert_array_equal(loaded[name].detach().float(), rounded)
  torch.save(loaded, theirs, _use_new_zipfile_serialization=is_zip)
  values = pytorch_file.read(str(theirs))
  for name, value in pytorch_file.read(str(ours)).items():
    np.testing.assert_array_equal(values[name], value)


@pytest.mark.parametrize('size', [-1, 100, 700])
@pytest.mark.parametrize('is_zip', [True, False])
def test_a_file_of_pytorch_that_is_cut_off_is_refused(folder, is_zip, size):
  (folder / 'model.safetensors').unlink()
  path = folder / 'pytorch_model.bin'
  tiny_pytorch.save(path, make_tensors(), is_zip=is_zip)
  path.write_bytes(path.read_bytes()[:size])
  with pytest.raises(UserError, match=f'^{path} cannot be read as weights'):
    imported(folder)
  assert not pathlib.Path(f'{folder}.out').exists()


# Bits of bfloat16: 1, -2.5, 3.140625, the smallest number above 0, the largest.
_BITS = (0x3F80, 0xC020, 0x4049, 0x0001, 0x7F7F)
_NUMBERS = (1.0, -2.5, 3.140625, 2.0**-133, 2.0**128 - 2.0**120)


def test_bfloat16_is_exact():
  bits = np.array([_BITS], '<u2')
  values = pytorch_file.widened(bits)
  assert values.dtype == np.float32 and values.tolist() == [list(_NUMBERS)]


def _save_safetensors(path, dtype, tensors):
  """Writes tensors of the safetensors dtype, given as they are stored."""
  header, data = {}, b''
  for name, value in tensors.items():
    start, data = len(data), data + value.tobytes()
    header[name] = {
      'dtype': dtype,
      'shape': value.shape,
      'data_offsets': [start, len(data)],
    }
  text = json.dumps(header).encode()
  path.write_bytes(len(text).to_bytes(8, 'little') + text + data)


@pytest.mark.parametrize(
  ('theirs', 'dtype'), [('F16', 'float16'), ('BF16', 'bfloat16')]
)
def test_half_precision_safetensors_are_exact(folder, theirs, dtype):
  tensors = make_tensors()
  _save_safetensors(
    folder / 'model.safetensors',
    theirs,
    {name: tiny_pytorch.stored(x, dtype) for name, x in tensors.items()},
  )
  _assert_imported(folder, _released(tensors, dtype))


def test_numbers_of_other_types_are_refused(folder):
  path = folder / 'model.safetensors'
  _save_safetensors(path, 'F8_E4M3', {'a': np.zeros(3, np.uint8)})
  with pytest.raises(UserError, match=f'^{path} has .* type F8_E4M3, expected'):
    imported(folder)


def test_a_missing_or_damaged_shard_is_named_when_the_model_is_looked_for(
  folder,
):
  index = folder / 'model.safetensors.index.json'
  (folder / 'model.safetensors').rename(folder / 'a.safetensors')
  write_json(index, {'weight_map': {'x': 'a.safetensors', 'y': 'b.safeten'}})
  with pytest.raises(UserError, match=f'b.safeten cannot be found: {index}'):
    location.locate(str(folder))
  write_json(index, {'weight_map': {'x': 'a.safetensors'}})
  os.truncate(folder / 'a.safetensors', 2000)
  with pytest.raises(UserError, match='a.safetensors is damaged or cut short'):
    location.locate(str(folder))
  write_json(index, {'weight_map': ['a.safetensors']})
  with pytest.raises(UserError, match='expected the names of files'):
    location.locate(str(folder))


def test_a_file_system_that_maps_no_files_is_read(folder, monkeypatch):
  def refuse(*_):
    raise OSError(errno.ENODEV, 'No such device')

  monkeypatch.setattr(hugging_face.safetensors, 'safe_open', refuse)
  assert location.locate(str(folder)).is_hugging_face


class _Malicious:
  def __reduce__(self):
    return pathlib.Path.touch, (pathlib.Path('ran'),)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (pickle.dumps(_Malicious()), 'it calls pathlib'),
    (b'', 'cannot be read as weights alone'),
    (b'PK\x03\x04', 'cannot be read as weights alone'),
    (pickle.dumps({'a': 1}), "it is not PyTorch's|Ran out of input"),
  ],
)
def test_other_pickles_are_refused_and_run_nothing(
  folder, monkeypatch, tmp_path, content, message
):
  monkeypatch.chdir(tmp_path)
  (folder / 'model.safetensors').unlink()
  (folder / 'pytorch_model.bin').write_bytes(content)
  with pytest.raises(UserError, match=message) as error:
    imported(folder)
  assert 'python -c "import torch' in str(error.value)
  assert not (tmp_path / 'ran').exists()
