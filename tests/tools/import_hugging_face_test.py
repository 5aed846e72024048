"""The import of Hugging Face folders."""

import gzip
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tiny_hugging_face import CONFIG, LAYER, SHAPES, make_tensors, write_folder

from data.text.vocabulary import SPECIAL
from modeling import models
from modeling.checkpoints import (
  hugging_face,
  loading,
  location,
  stored_weights,
)
from modeling.configs import BertConfig
from serving import text_model
from system.errors import UserError
from tools.import_hugging_face import import_folder


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


def test_unknown_tensors_are_named(tmp_path):
  odd = {'adapter.weight': np.zeros(2, np.float32)}
  write_folder(tmp_path / 'hf', make_tensors() | odd)
  _, lines = imported(tmp_path / 'hf')
  assert 'unused (1): adapter.weight' in lines


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


def test_heads_are_named(tmp_path):
  write_folder(tmp_path / 'hf', make_tensors() | CLASSIFIER)
  values, lines = imported(tmp_path / 'hf')
  assert 'heads (2): output_bias, output_weights' in lines
  np.testing.assert_array_equal(values['output_bias'], [5, 0, 0])


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
    stored_weights.num_outputs(location.locate(str(folder)))


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
  checkpoint.check_checksums()
  content = checkpoint.model_json()
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
  assert location.locate(str(tmp_path / 'hf.out')).model_json() is None


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
