"""GLUE's tasks and XNLI, on hand-made files in their official layouts."""

import logging
import subprocess
import sys

import pytest

from data.tasks import glue
from data.tasks.examples import Example
from system.errors import UserError


def _table(*rows):
  return ''.join('\t'.join(row.split('|')) + '\n' for row in rows)


_MNLI_HEAD = (
  'index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|'
  'sentence1_parse|sentence2_parse|sentence1|sentence2'
)
_MNLI_ROW = '|31193|31193n|government|( a )|( b )|(ROOT a)|(ROOT b)|'
_STSB_HEAD = (
  'index|genre|filename|year|old_index|source1|source2|sentence1|sentence2'
)
_STSB_ROW = '|main-captions|MSRvid|2012test|0001|none|none|'

_MNLI_FILES = {
  'dev': 'dev_matched.tsv',
  'dev_mismatched': 'dev_mismatched.tsv',
  'test': 'test_matched.tsv',
  'test_mismatched': 'test_mismatched.tsv',
}

# (task, split, the file's content, the one example expected).
_OFFICIAL_LAYOUTS = [
  (
    'CoLA',
    'train',
    _table('gj04|0|*|They drank the pub.'),
    Example('0', 'They drank the pub.', None, '0'),
  ),
  (
    'CoLA',
    'test',
    _table('index|sentence', '7|Bill whistled past the house.'),
    Example('7', 'Bill whistled past the house.', None, None),
  ),
  (
    'SST-2',
    'dev',
    _table('sentence|label', "it 's a charming journey . |1"),
    Example('0', "it 's a charming journey . ", None, '1'),
  ),
  (
    'SST-2',
    'test',
    _table('index|sentence', '0|uneasy mishmash .'),
    Example('0', 'uneasy mishmash .', None, None),
  ),
  (
    'MRPC',
    'train',
    '\ufeff'
    + _table('Quality|#1 ID|#2 ID|#1 String|#2 String', '1|70|71|He "said|She'),
    Example('0', 'He "said', 'She', '1'),
  ),
  (
    'MRPC',
    'test',
    '\ufeff'
    + _table('index|#1 ID|#2 ID|#1 String|#2 String', '4|70|71|One|Two'),
    Example('4', 'One', 'Two', None),
  ),
  (
    'STS-B',
    'dev',
    _table(f'{_STSB_HEAD}|score', f'3{_STSB_ROW}A man.|A boy.|4.750'),
    Example('3', 'A man.', 'A boy.', '4.750'),
  ),
  (
    'STS-B',
    'test',
    _table(_STSB_HEAD, f'3{_STSB_ROW}A man.|A boy.'),
    Example('3', 'A man.', 'A boy.', None),
  ),
  (
    'QQP',
    'train',
    _table(
      'id|qid1|qid2|question1|question2|is_duplicate', '133273|1|2|Why?|How?|0'
    ),
    Example('133273', 'Why?', 'How?', '0'),
  ),
  (
    'QQP',
    'test',
    _table('id|question1|question2', '9|Why?|How?'),
    Example('9', 'Why?', 'How?', None),
  ),
  (
    'MNLI',
    'train',
    _table(
      f'{_MNLI_HEAD}|label1|gold_label', f'5{_MNLI_ROW}A|B|neutral|neutral'
    ),
    Example('5', 'A', 'B', 'neutral'),
  ),
  (
    'MNLI',
    'dev',
    _table(
      f'{_MNLI_HEAD}|label1|label2|label3|label4|label5|gold_label',
      f'5{_MNLI_ROW}A|B|neutral|neutral|neutral|neutral|neutral|entailment',
    ),
    Example('5', 'A', 'B', 'entailment'),
  ),
  (
    'MNLI',
    'dev_mismatched',
    _table(
      f'{_MNLI_HEAD}|label1|label2|label3|label4|label5|gold_label',
      f'6{_MNLI_ROW}A|B|neutral|neutral|neutral|neutral|neutral|contradiction',
    ),
    Example('6', 'A', 'B', 'contradiction'),
  ),
  (
    'MNLI',
    'test',
    _table(_MNLI_HEAD, f'5{_MNLI_ROW}A|B'),
    Example('5', 'A', 'B', None),
  ),
  (
    'MNLI',
    'test_mismatched',
    _table(_MNLI_HEAD, f'8{_MNLI_ROW}A|B'),
    Example('8', 'A', 'B', None),
  ),
  (
    'QNLI',
    'train',
    _table('index|question|sentence|label', '0|When?|Then.|not_entailment'),
    Example('0', 'When?', 'Then.', 'not_entailment'),
  ),
  (
    'QNLI',
    'test',
    _table('index|question|sentence', '0|When?|Then.'),
    Example('0', 'When?', 'Then.', None),
  ),
  (
    'RTE',
    'dev',
    _table('index|sentence1|sentence2|label', '0|A|B|entailment'),
    Example('0', 'A', 'B', 'entailment'),
  ),
  (
    'WNLI',
    'train',
    _table('index|sentence1|sentence2|label', '0|A|B|1'),
    Example('0', 'A', 'B', '1'),
  ),
  (
    'AX',
    'test',
    _table('index|sentence1|sentence2', '4|A "cat.|B'),
    Example('4', 'A "cat.', 'B', None),
  ),
]

# A header of 19 columns; google-research/bert reads columns 0, 1, 6 and 7.
_XNLI_HEAD = (
  'language|gold_label|sentence1_binary_parse|sentence2_binary_parse|'
  'sentence1_parse|sentence2_parse|sentence1|sentence2|promptID|pairID|genre|'
  'label1|label2|label3|label4|label5|sentence1_tokenized|sentence2_tokenized|'
  'match'
)
_XNLI_ROW = '|1|{}|facetoface|x|x|x|x|x|a b|c d|True'


def _write(folder, name, content):
  path = folder / name
  data = content if isinstance(content, bytes) else content.encode('utf-8')
  path.write_bytes(data)
  return str(path)


@pytest.mark.parametrize(
  ('task', 'split', 'content', 'expected'),
  _OFFICIAL_LAYOUTS,
  ids=[f'{row[0]}-{row[1]}' for row in _OFFICIAL_LAYOUTS],
)
def test_official_layout_is_read(tmp_path, task, split, content, expected):
  names = _MNLI_FILES if task == 'MNLI' else {}
  _write(tmp_path, names.get(split, f'{split}.tsv'), content)
  assert glue.get_task(task).read_split(str(tmp_path), split) == [expected]


def test_every_task_has_a_hand_made_file():
  assert {row[0] for row in _OFFICIAL_LAYOUTS} | {'XNLI'} == set(
    glue.task_names()
  )


def _write_xnli(folder):
  (folder / 'multinli').mkdir()
  for language in ('zh', 'de'):
    train = _table(
      'premise|hypo|label',
      f'{language} a|b "c|contradictory',
      f'{language} d|e|neutral',
    )
    _write(folder / 'multinli', f'multinli.train.{language}.tsv', train)
  rows = [
    f'ar|neutral|||||ar a|ar b{_XNLI_ROW.format(1)}',
    f'zh|entailment|||||zh a|zh b{_XNLI_ROW.format(1)}',
    f'de|contradiction|||||de a|de b{_XNLI_ROW.format(2)}',
    f'zh|neutral|||||zh c|zh d{_XNLI_ROW.format(2)}',
  ]
  for split in ('dev', 'test'):
    _write(folder, f'xnli.{split}.tsv', _table(_XNLI_HEAD, *rows))


def test_xnli_is_read_as_the_original_reads_it(tmp_path):
  _write_xnli(tmp_path)
  task = glue.get_task('xnli')
  assert task.labels == ('contradiction', 'entailment', 'neutral')
  assert task.read_split(str(tmp_path), 'train') == [
    Example('0', 'zh a', 'b "c', 'contradiction'),
    Example('1', 'zh d', 'e', 'neutral'),
  ]
  chinese = [
    Example('1', 'zh a', 'zh b', 'entailment'),
    Example('2', 'zh c', 'zh d', 'neutral'),
  ]
  for split in ('dev', 'test'):
    assert task.read_split(str(tmp_path), split) == chinese


def test_xnli_takes_another_language(tmp_path):
  _write_xnli(tmp_path)
  task = glue.xnli('de')
  assert task.read_split(str(tmp_path), 'train')[0].text_a == 'de a'
  assert task.read_split(str(tmp_path), 'dev') == [
    Example('2', 'de a', 'de b', 'contradiction')
  ]
  with pytest.raises(UserError, match='no example whose language is sw'):
    glue.xnli('sw').read_split(str(tmp_path), 'dev')


def test_glue_s_diagnostic_set_is_found_in_its_own_folder(tmp_path):
  content = _table('index|sentence1|sentence2', '0|A|B')
  ax = glue.get_task('AX')
  assert not ax.has_split(str(tmp_path), 'test')
  with pytest.raises(UserError, match="no folder '.*none' .`data_dir`"):
    ax.has_split(str(tmp_path / 'none'), 'test')
  with pytest.raises(UserError, match='diagnostic.tsv.*, nor .*test.tsv'):
    ax.read_split(str(tmp_path), 'test')
  for folder, name in (('diagnostic', 'diagnostic.tsv'), ('AX', 'test.tsv')):
    (tmp_path / folder).mkdir()
    _write(tmp_path / folder, name, content)
  assert ax.locate(str(tmp_path), 'test').endswith('diagnostic/diagnostic.tsv')
  (tmp_path / 'diagnostic' / 'diagnostic.tsv').unlink()
  assert ax.locate(str(tmp_path), 'test').endswith('AX/test.tsv')
  assert ax.read_split(str(tmp_path), 'test')[0].label is None
  with pytest.raises(UserError, match="AX has no split 'train'; it has test"):
    ax.read_split(str(tmp_path), 'train')


def test_mrpc_is_read_as_microsoft_released_it(tmp_path):
  """Downloads contain these files if GLUE's script failed to convert them."""
  head = '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n'
  rows = ['1\t10\t11\tHe "said\tShe\r\n', '0\t20\t21\tOne\tTwo\r\n']
  _write(tmp_path, 'msr_paraphrase_train.txt', head + ''.join(rows))
  _write(tmp_path, 'msr_paraphrase_test.txt', head + rows[1])
  task = glue.get_task('mrpc')
  with pytest.raises(UserError, match='the list that splits .*dev_ids.tsv'):
    task.read_split(str(tmp_path), 'train')
  _write(tmp_path, 'dev_ids.tsv', '10\t11\n12\t13\n')
  assert task.read_split(str(tmp_path), 'train') == [
    Example('1', 'One', 'Two', '0')
  ]
  assert task.read_split(str(tmp_path), 'dev') == [
    Example('0', 'He "said', 'She', '1')
  ]
  # GLUE keeps its test labels; a submission must not see them.
  assert task.read_split(str(tmp_path), 'test') == [
    Example('0', 'One', 'Two', None)
  ]


@pytest.mark.parametrize(
  ('name', 'num_rows'),
  [
    ('SST-2', {'train': 67_349, 'dev': 872, 'test': 1_821}),
    ('CoLA', {'train': 8_551, 'dev': 1_043, 'test': 1_063}),
    ('STS-B', {'train': 5_749, 'dev': 1_500, 'test': 1_379}),
  ],
)
def test_real_files_are_read_whole(shared_data, name, num_rows):
  task = glue.get_task(name)
  for split, expected in num_rows.items():
    examples = task.read_split(str(shared_data / 'glue'), split)
    assert len(examples) == expected
    assert len({e.example_id for e in examples}) == expected
    assert all(e.text_a for e in examples)
    assert {e.label is None for e in examples} == {split == 'test'}
    if not task.is_regression and split != 'test':
      assert {e.label for e in examples} == set(task.labels)


def test_labels_stand_in_the_original_order():
  assert glue.get_task('cola').labels == ('0', '1')
  assert glue.get_task('mrpc').labels == ('0', '1')
  mnli = glue.get_task('mnli')
  assert mnli.labels == ('contradiction', 'entailment', 'neutral')
  assert mnli.encode_label('neutral') == 2
  assert glue.get_task('RTE').encode_label('entailment') == 0


def test_regression_has_one_output_and_numbers():
  task = glue.get_task('STS-B')
  assert task.is_regression and task.is_pair and task.num_outputs == 1
  assert task.encode_label('4.750') == 4.75
  sst2 = glue.get_task('SST-2')
  assert not sst2.is_regression and not sst2.is_pair and sst2.num_outputs == 2


@pytest.mark.parametrize(
  ('name', 'found'),
  [
    ('cola', 'CoLA'),
    ('MNLI', 'MNLI'),
    ('sst-2', 'SST-2'),
    ('SST2', 'SST-2'),
    ('Sts-B', 'STS-B'),
    ('stsb', 'STS-B'),
    ('mrpc', 'MRPC'),
    ('xnli', 'XNLI'),
    ('ax', 'AX'),
  ],
)
def test_names_are_found_in_any_case(name, found):
  assert glue.get_task(name).name == found


def test_unknown_task_and_split_list_the_known_ones(tmp_path):
  with pytest.raises(UserError, match=r"'squad'.*CoLA, SST-2, MRPC.*WNLI"):
    glue.get_task('squad')
  with pytest.raises(UserError, match=r"no split 'dev_mismatched'.*dev, test"):
    glue.get_task('cola').read_split(str(tmp_path), 'dev_mismatched')


def test_file_is_found_in_the_folder_of_the_task_too(tmp_path):
  (tmp_path / 'RTE').mkdir()
  content = _table('index|sentence1|sentence2|label', '0|A|B|entailment')
  _write(tmp_path / 'RTE', 'dev.tsv', content)
  task = glue.get_task('rte')
  assert task.read_split(str(tmp_path), 'dev')[0].text_b == 'B'
  _write(tmp_path, 'dev.tsv', content.replace('B', 'nearer'))
  assert task.read_split(str(tmp_path), 'dev')[0].text_b == 'nearer'


def test_only_line_ends_end_a_row_and_quotes_are_text(tmp_path):
  text = 'a "b\u2028c\u0085d\x0ce\x1cf \'g'
  _write(tmp_path, 'dev.tsv', f'sentence\tlabel\r\n{text}\t1\r\n"h\t0')
  examples = glue.get_task('sst2').read_split(str(tmp_path), 'dev')
  assert [(e.text_a, e.label) for e in examples] == [(text, '1'), ('"h', '0')]


@pytest.mark.parametrize(
  ('task', 'content', 'message'),
  [
    (
      'sst2',
      _table('sentence|label', 'a|1', 'b'),
      'line 3: found 1 columns, e',
    ),
    ('sst2', _table('sentence|label', 'a|b|1'), 'found 3 columns, expected 2'),
    ('sst2', _table('sentence|label', '', 'a|1'), 'line 2: found a blank line'),
    ('sst2', _table('sentence|label', 'a|2'), r"line 2: .*'2'.*'0', '1'"),
    (
      'sst2',
      _table('sentence|score', 'a|1'),
      r"line 1: .*'label', found.*score",
    ),
    ('sst2', _table('sentence|label'), 'no example'),
    ('sst2', '', 'is empty'),
    ('sst2', b'sentence\tlabel\na\t1\nb\xff\t0\n', 'line 3: .*UTF-8.*0xff'),
    ('cola', '', 'no example'),
    ('cola', _table('a|1||b', 'a|x||b'), "line 2: unknown label 'x'"),
    ('cola', _table('index|sentence'), 'line 1: found 2 columns, expected 4'),
    (
      'stsb',
      _table(f'{_STSB_HEAD}|score', f'3{_STSB_ROW}A|B|high'),
      "line 2: label 'high' is not a number",
    ),
    (
      'stsb',
      _table(f'{_STSB_HEAD}|score', f'3{_STSB_ROW}A|B|nan'),
      "line 2: label 'nan' is not a number",
    ),
  ],
)
def test_malformed_file_is_refused_by_name_and_line(
  tmp_path, task, content, message
):
  path = _write(tmp_path, 'dev.tsv', content)
  with pytest.raises(UserError, match=message) as error:
    glue.get_task(task).read_split(str(tmp_path), 'dev')
  assert path in str(error.value)


@pytest.mark.parametrize(
  ('task', 'split', 'rows', 'expected'),
  [
    (
      'CoLA',
      'test',
      ('guid|text', '7|one'),
      Example('0', 'one', None, None),
    ),
    (
      'CoLA',
      'train',
      ('a|0|x|one|extra', 'b|1|x|two|extra'),
      Example('0', 'one', None, '0'),
    ),
    (
      'MRPC',
      'dev',
      ('label|id1|id2|text_a|text_b', '1|3|4|one|two'),
      Example('0', 'one', 'two', '1'),
    ),
    (
      'MNLI',
      'dev',
      ('a|b|c|d|e|f|g|h|x|y|gold', '1|2|3|4|5|6|7|8|one|two|neutral'),
      Example('0', 'one', 'two', 'neutral'),
    ),
  ],
)
def test_columns_of_other_names_are_found_where_the_original_finds_them(
  tmp_path, caplog, task, split, rows, expected
):
  file = _MNLI_FILES[split] if task == 'MNLI' else f'{split}.tsv'
  (tmp_path / file).write_text(_table(*rows))
  with caplog.at_level(logging.WARNING):
    assert glue.get_task(task).read_split(str(tmp_path), split)[0] == expected
  assert f'{tmp_path}/{file}' in caplog.text


def test_missing_file_is_named(tmp_path):
  with pytest.raises(UserError, match='dev split of CoLA.*dev.tsv'):
    glue.get_task('cola').read_split(str(tmp_path), 'dev')


_QQP_HEAD = 'id|qid1|qid2|question1|question2|is_duplicate'


def test_broken_rows_of_qqp_are_skipped_named_and_counted(tmp_path, caplog):
  content = _table(
    _QQP_HEAD, '1|2|3|a|b|0', '2|3|4|cut', '"|c|1', '5|6|7|d|e|1'
  )
  path = _write(tmp_path, 'train.tsv', content)
  logger = logging.getLogger('absl')
  logger.addHandler(caplog.handler)
  try:
    examples = glue.get_task('qqp').read_split(str(tmp_path), 'train')
  finally:
    logger.removeHandler(caplog.handler)
  assert [e.example_id for e in examples] == ['1', '5']
  assert f'{path}, line 3: found 4 columns, expected 6' in caplog.text
  assert f'{path}, line 4: found 3 columns, expected 6' in caplog.text
  assert f'{path}: skipped 2 broken rows of 4' in caplog.text


def test_skipping_does_not_hide_a_wrong_label_or_an_empty_result(tmp_path):
  _write(tmp_path, 'train.tsv', _table(_QQP_HEAD, '1|2|3|a|b|yes'))
  with pytest.raises(UserError, match="line 2: unknown label 'yes'"):
    glue.get_task('qqp').read_split(str(tmp_path), 'train')
  _write(tmp_path, 'train.tsv', _table(_QQP_HEAD, '1|2|3|a'))
  with pytest.raises(UserError, match='line 2: found 4 columns'):
    glue.get_task('qqp').read_split(str(tmp_path), 'train')


def test_importing_tasks_imports_no_tensorflow():
  code = (
    'import sys, data.tasks.tfds_splits; assert "tensorflow" not in sys.modules'
  )
  subprocess.run([sys.executable, '-c', code], check=True)
