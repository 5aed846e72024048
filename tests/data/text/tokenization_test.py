"""The tokenizer gives exactly the ids of google-research/bert."""

import gzip
import hashlib
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from data.text.tokenization import BertTokenizer, space_words
from data.text.vocabulary import MAX_CHARS_PER_WORD

SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
# fmt: off
WORDS = [
  'the', 'un', '##aff', '##able', 'a', '##a', 'cafe', 'Cafe', 'café', 'm',
  '##²', 'σας', 'ασ', '[', ']', '#', 'mask', 'ing', '##ing', '中', '文', '。',
  '!', '=', 'i', 'é', '##é', '𐍈', '##𐍈', 'ab', 'ס', '##ע', 'の', '##の',
]
# fmt: on


def write_vocabulary(folder, lines, end='\n') -> str:
  path = folder / 'vocab.txt'
  path.write_bytes((end.join(lines) + end).encode())
  return str(path)


@pytest.fixture(scope='module')
def vocab_file(tmp_path_factory) -> str:
  return write_vocabulary(tmp_path_factory.mktemp('v'), SPECIALS + WORDS)


@pytest.fixture(scope='module')
def uncased(vocab_file) -> BertTokenizer:
  return BertTokenizer(vocab_file)


@pytest.fixture(scope='module')
def cased(vocab_file) -> BertTokenizer:
  return BertTokenizer(vocab_file, do_lower_case=False)


def pieces(tokenizer: BertTokenizer, text: str | bytes) -> str:
  """Returns a text's tokens joined by spaces."""
  return ' '.join(tokenizer.tokens[i] for i in tokenizer.tokenize([text])[0])


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('unaffable', 'un ##aff ##able'),
    ('The UNAFFABLE', 'the un ##aff ##able'),
    # A word with an unknown part becomes [UNK].
    ('unaffected the', '[UNK] the'),
    ('Café cafe\u0301', 'cafe cafe'),
    # Compatibility characters are kept; NFKC would give 'm2' and 'σ'.
    ('m²', 'm ##²'),
    # Capital sigma's lower case depends on its position in the word, also if a
    # control character, which is removed, follows it.
    ('ΣΑΣ ΑΣ! ΑΣ\x00Α', 'σας [UNK] ! [UNK]'),
    ('the!the', 'the ! the'),
    # Not equal: NFD gives '=' and a combining stroke, and '=' is punctuation.
    ('a≠a', 'a = a'),
    ('中文。', '中 文 。'),
    ('a中a', 'a 中 a'),
    # Kana are not split as CJK ideographs are.
    ('のの', 'の ##の'),
    # Wordpieces and special tokens within text are plain text.
    ('##ing', '# # ing'),
    ('[MASK]', '[ mask ]'),
    ('', ''),
    (' \t\r\n\u00a0\u3000', ''),
    ('a\tb a\na\ra\u00a0a\u2003a\u3000a', 'a [UNK] a a a a a a'),
    # Only str.split() treats line and paragraph separators as white space.
    ('a\u2028a\u2029a', 'a a a'),
    # Control and format characters are removed, also within a word.
    (
      'a\x00b a\x0bb a\x7fb a\x85b a\u00adb a\u200bb a\ufeffb',
      'ab ' * 6 + 'ab',
    ),
    ('a\ufffdb', 'ab'),
    # Combining marks of other scripts (Mn): a Hebrew point.
    ('סֶע', 'ס ##ע'),
    # İ is an i with a dot above, which is an accent.
    ('I İ', 'i i'),
  ],
)
def test_uncased_pieces_are_those_of_the_original(uncased, text, expected):
  assert pieces(uncased, text) == expected


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('Cafe café', 'Cafe café'),
    # No normalisation: a decomposed accent is not the composed one.
    ('cafe\u0301', '[UNK]'),
    ('The', '[UNK]'),
    ('中the。', '中 the 。'),
    ('a\u00a0a\u200ba', 'a a ##a'),
    # A cased vocabulary may have accents, which uncased text loses.
    ('éé', 'é ##é'),
  ],
)
def test_cased_text_keeps_case_and_accents(cased, text, expected):
  assert pieces(cased, text) == expected


@pytest.mark.parametrize('letter', ['a', 'é', '𐍈'])  # 1, 2 and 4 bytes
def test_a_word_of_more_than_200_characters_is_unknown(cased, letter):
  ids = cased.tokenize([f'the {letter * n}!' for n in (199, 200, 201, 1000)])
  the, unknown = cased.tokenize(['the !']).to_list()[0], cased.unk_id
  for count, row in zip((199, 200), ids.to_list(), strict=False):
    assert [row[0], row[-1]] == the
    tokens = [cased.tokens[i] for i in row[1:-1]]
    assert tokens == [letter] + ['##' + letter] * (count - 1)
  assert ids.to_list()[2:] == [[the[0], unknown, the[1]]] * 2


def test_the_200_characters_are_counted_after_accents_are_removed(uncased):
  assert pieces(uncased, 'á' * 200 + '\u0301').count('##a') == 199
  assert pieces(uncased, 'á' * 201) == '[UNK]'


@pytest.mark.parametrize(
  'text',
  [
    b'a\xffb',
    b'a\xc3b',  # a first byte alone
    b'a\x80b',  # a second byte alone
    b'a\xf0\x9f\x98b',  # cut short
    b'a\xed\xa0\x80b',  # a surrogate
    b'a\xc0\x80b',  # an overlong NUL
    b'a\xf4\x90\x80\x80b',  # above U+10FFFF
    b'ab\xe4',
  ],
)
def test_bytes_that_are_not_utf8_are_ignored(uncased, text):
  assert text.decode('utf-8', 'ignore') == 'ab'
  assert pieces(uncased, text) == 'ab'


def test_dropping_a_control_character_makes_no_new_character(cased):
  # Joined, the two bytes would be 'é'; the original decodes them first.
  assert pieces(cased, b'a\xc3\x01\xa9b') == 'ab'


def test_a_row_does_not_depend_on_its_batch(uncased):
  texts = ['the café', 'the', '', '中', 'unaffable', b'\xff', 'a' * 201]
  rows = uncased.tokenize(texts).to_list()
  assert rows == [uncased.tokenize([text]).to_list()[0] for text in texts]
  assert uncased.tokenize(texts[::-1]).to_list() == rows[::-1]


def test_result_is_ragged_int32_also_for_no_texts(uncased):
  for texts, num_rows in (([], 0), (['the a', ''], 2), (np.array(['a']), 1)):
    ids = uncased.tokenize(texts)
    assert isinstance(ids, tf.RaggedTensor)
    assert ids.dtype == tf.int32
    assert ids.shape.as_list() == [num_rows, None]


def test_threads_may_make_the_first_call_at_once(tmp_path):
  tokenizer = BertTokenizer(write_vocabulary(tmp_path, SPECIALS + WORDS))
  with ThreadPoolExecutor(16) as pool:
    rows = list(pool.map(tokenizer.tokenize, [['the café']] * 16))
  assert len({str(row) for row in rows}) == 1


def test_inputs_other_than_a_list_of_texts_are_refused(uncased):
  with pytest.raises(ValueError, match='rank'):
    uncased.tokenize('the')
  with pytest.raises(ValueError, match='rank'):
    uncased.tokenize([['the']])


def test_runs_in_functions_and_pipelines(uncased):
  texts = ['the café', '', 'a!']
  expected = uncased.tokenize(texts).to_list()
  assert tf.function(uncased.tokenize)(tf.constant(texts)).to_list() == expected
  dataset = tf.data.Dataset.from_tensor_slices(texts).batch(2)
  batches = dataset.map(uncased.tokenize, num_parallel_calls=2)
  assert [row for ids in batches for row in ids.to_list()] == expected


def test_saved_model_tokenizes_without_the_vocabulary_file(tmp_path):
  file = write_vocabulary(tmp_path, SPECIALS + WORDS)
  tokenizer = BertTokenizer(file)
  texts = tf.constant(['The café', '', '中 unaffable'])
  expected = tokenizer.tokenize(texts).to_list()

  class Served(tf.Module):
    def __init__(self):
      super().__init__()
      self.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, strings):
      return self.tokenizer.tokenize(strings).to_tensor()

  module = Served()
  folder = str(tmp_path / 'saved')
  tf.saved_model.save(module, folder, signatures=module.serve)
  os.remove(file)
  loaded = tf.saved_model.load(folder)
  ids = loaded.signatures['serving_default'](texts)['output_0'].numpy()
  width = max(map(len, expected))
  assert ids.tolist() == [row + [0] * (width - len(row)) for row in expected]


def test_describes_its_vocabulary(uncased):
  assert uncased.vocab_size == 5 + len(WORDS)
  assert uncased.tokens == SPECIALS + WORDS
  assert (uncased.unk_id, uncased.cls_id) == (1, 2)
  assert (uncased.sep_id, uncased.mask_id) == (3, 4)
  assert uncased.continuation_mask.dtype == np.bool_
  assert uncased.continuation_mask[5:11].tolist() == (
    [False, False, True, True, False, True]
  )
  joined = '\n'.join(SPECIALS + WORDS).encode()
  assert uncased.vocab_checksum == hashlib.sha256(joined).hexdigest()


def test_ids_are_line_numbers_for_both_line_ends(tmp_path):
  # The released Chinese vocabulary has lines of only U+2028. White space
  # around a token is removed.
  lines = ['a', '\u2028', '', *SPECIALS, ' b', '##\u2028', '##', '\x11', 'c']
  for end in ('\n', '\r\n'):
    tokenizer = BertTokenizer(write_vocabulary(tmp_path, [*lines, '', ''], end))
    assert tokenizer.vocab_size == len(lines)
    assert tokenizer.mask_id == 7
    assert tokenizer.tokens[7:10] == ['[MASK]', 'b', '##']
    assert tokenizer.tokenize(['a b c #']).to_list() == [[0, 8, 12, 4]]


def test_the_last_of_tokens_that_differ_in_white_space_counts(tmp_path):
  # As in the original: the later line overwrites the earlier in its dictionary.
  file = write_vocabulary(tmp_path, [*SPECIALS, 'a', 'a\u2028', 'b'])
  assert BertTokenizer(file).tokenize(['a b']).to_list() == [[6, 7]]


def test_a_token_never_matches_across_words(tmp_path):
  file = write_vocabulary(tmp_path, [*SPECIALS, 'a b', '##b c', 'a', 'b', '-b'])
  texts = ['a b', 'ab c', 'a-b', 'a', '-b']
  assert BertTokenizer(file).tokenize(texts).to_list() == (
    [[7, 8], [1, 1], [7, 1, 8], [7], [1, 8]]
  )


@pytest.mark.parametrize('others', [[], ['a#'], ['#a', '##'], ['我们']])
def test_a_vocabulary_that_no_word_matches_makes_every_word_unknown(
  tmp_path, others
):
  tokenizer = BertTokenizer(write_vocabulary(tmp_path, [*SPECIALS, *others]))
  assert tokenizer.vocab_size == 5 + len(others)
  assert tokenizer.tokenize(['a# b', '\x015', '']).to_list() == [
    [1] * 3,
    [1],
    [],
  ]


def test_a_token_longer_than_any_word_never_matches(tmp_path):
  words = [
    'a' * 200,
    'a' * 201,
    'é' * 201,
    '##' + 'a' * 257,
    'b',
    '##' + 'é' * 9,
  ]
  file = write_vocabulary(tmp_path, [*SPECIALS, *words])
  tokenizer = BertTokenizer(file, do_lower_case=False)
  texts = ['a' * 200, 'a' * 201, 'é' * 201, 'b' + 'a' * 257, 'b' + 'é' * 9]
  assert tokenizer.tokenize(texts).to_list() == [[5], [1], [1], [1], [9, 10]]


def test_the_largest_tokens_match(tmp_path):
  words = ['é' * 128, '##' + 'ж' * 72]
  tokenizer = BertTokenizer(
    write_vocabulary(tmp_path, [*SPECIALS, *words]), do_lower_case=False
  )
  texts = ['é' * 128, 'é' * 128 + 'ж' * 72]
  assert tokenizer.tokenize(texts).to_list() == [[5], [5, 6]]


@pytest.mark.slow
def test_ids_do_not_depend_on_the_locale(vocab_file):
  # In a Turkish locale, ICU lower-cases I to a dotless i.
  program = (
    'from data.text.tokenization import BertTokenizer as T;'
    f'print(T({vocab_file!r}).tokenize(["I İ ING é"]).to_list())'
  )
  environment = {**os.environ, 'LC_ALL': 'tr_TR.UTF-8', 'LANG': 'tr_TR.UTF-8'}
  output = subprocess.run(
    [sys.executable, '-c', program],
    env=environment,
    capture_output=True,
    text=True,
    check=True,
  ).stdout
  i, ing = 5 + WORDS.index('i'), 5 + WORDS.index('ing')
  assert json.loads(output) == [[i, i, ing, 1]]


@pytest.mark.parametrize(
  ('do_lower_case', 'field'), [(True, 'uncased_ids'), (False, 'cased_ids')]
)
def test_all_reference_texts_give_the_reference_ids(
  shared_data, fixtures_dir, do_lower_case, field
):
  with gzip.open(fixtures_dir / 'tokenization_reference.jsonl.gz') as file:
    references = [json.loads(line) for line in file]
  assert len(references) == 14_239
  tokenizer = BertTokenizer(
    str(shared_data / 'vocab' / 'uncased_vocab.txt'), do_lower_case
  )
  rows = tokenizer.tokenize([r['text'] for r in references]).to_list()
  wrong = [
    (reference['text'], reference[field], row)
    for reference, row in zip(references, rows, strict=True)
    if reference[field] != row
  ]
  assert not wrong


@pytest.mark.parametrize(
  ('do_lower_case', 'expected'),
  [(True, b'cafe ! m\xc2\xb2 \xe4\xb8\xad a = a'), (False, None)],
)
def test_spaced_words_are_those_of_the_tokenizer(do_lower_case, expected):
  text = 'Caf\u00e9!m\u00b2\x00\u4e2d a\u2260a'
  spaced = space_words([text], do_lower_case).numpy()[0]
  expected = expected or 'Caf\u00e9 ! m\u00b2 \u4e2d a\u2260a'.encode()
  assert spaced.split() == expected.split()


def test_a_word_that_is_too_long_is_replaced_by_one_that_is_also_too_long():
  words = ['a' * (MAX_CHARS_PER_WORD + 1), 'b' * MAX_CHARS_PER_WORD]
  first, last = space_words([' '.join(words)], True).numpy()[0].split()
  assert len(first) > MAX_CHARS_PER_WORD
  assert last == words[1].encode()


def test_the_replacement_of_a_word_that_is_too_long_is_no_word(tmp_path):
  file = write_vocabulary(tmp_path, [*SPECIALS, 'x', '##x'])
  texts = ['x' * MAX_CHARS_PER_WORD, 'x' * (MAX_CHARS_PER_WORD + 1)]
  fits, too_long = BertTokenizer(file).tokenize(texts).to_list()
  assert fits == [5] + [6] * (MAX_CHARS_PER_WORD - 1)
  assert too_long == [1]


@pytest.mark.parametrize('do_lower_case', [True, False])
def test_words_are_tokenised_one_by_one_as_in_their_text(
  shared_data, fixtures_dir, do_lower_case
):
  with gzip.open(fixtures_dir / 'tokenization_reference.jsonl.gz') as file:
    texts = [json.loads(line)['text'] for line in file]
  tokenizer = BertTokenizer(
    str(shared_data / 'vocab' / 'uncased_vocab.txt'), do_lower_case
  )
  rows = [s.split() for s in space_words(texts, do_lower_case).numpy()]
  words = sorted(set().union(*rows))
  ids = dict(zip(words, tokenizer.tokenize(words).to_list(), strict=True))
  assert all(ids.values())
  joined = [[id_ for word in row for id_ in ids[word]] for row in rows]
  assert joined == tokenizer.tokenize(texts).to_list()


# Ordered as the released Chinese vocabulary: [unused*] before the specials.
# fmt: off
CHINESE = [
  '[PAD]', '[unused1]', '[unused2]', '[UNK]', '[CLS]', '[SEP]', '[MASK]',
  '<S>', '<T>', '！', '，', '我', '用', '模', '型', 'be', '##rt', '2018', '年',
  '##年', '[', ']', 'unused', '##1', '<', '>', 's',
]
# fmt: on


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    # Latin words are lower-cased; each ideograph is a word.
    ('我用BERT模型！', [11, 12, 15, 16, 13, 14, 9]),
    # Therefore '##年' never matches.
    ('2018年，', [17, 18, 10]),
    ('我X', [11, 3]),
    # Tokens of the vocabulary in brackets never match text.
    ('[unused1]', [20, 22, 23, 21]),
    ('<S>', [24, 26, 25]),
  ],
)
def test_chinese_text_with_latin_words(tmp_path, text, expected):
  tokenizer = BertTokenizer(write_vocabulary(tmp_path, CHINESE))
  assert tokenizer.tokenize([text]).to_list() == [expected]
  assert (tokenizer.unk_id, tokenizer.mask_id) == (3, 6)


# fmt: off
MULTILINGUAL = [
  *SPECIALS, 'Äpfel', 'äpfel', 'apfel', 'Straße', 'straße',
  'ที่', 'ท', 'नमस्ते', 'नमसत', '한', 'ᄒ', '##ᅡ', '##ᆫ',
]
# fmt: on


@pytest.mark.parametrize(
  ('text', 'cased', 'uncased'),
  [
    ('Äpfel', [5], [7]),
    (
      'A\u0308pfel',
      [1],
      [7],
    ),  # Cased keeps it decomposed; uncased drops the mark.
    ('Straße STRASSE', [8, 1], [9, 1]),
    # Vowels and tones of Thai and Devanagari are combining marks (Mn), which
    # uncased models lose. The original therefore advises cased models for them.
    ('ที่', [10], [11]),
    ('नमस्ते', [12], [13]),
    # NFD splits a syllable into letters, which are not marks.
    ('한', [14], [15, 16, 17]),
  ],
)
def test_only_cased_models_keep_the_marks_of_multilingual_text(
  tmp_path, text, cased, uncased
):
  file = write_vocabulary(tmp_path, MULTILINGUAL)
  for do_lower_case, expected in ((False, cased), (True, uncased)):
    tokenizer = BertTokenizer(file, do_lower_case)
    assert tokenizer.tokenize([text]).to_list() == [expected]


def test_a_pickled_tokenizer_is_the_same(uncased):
  restored = pickle.loads(pickle.dumps(uncased))
  assert restored.vocab_checksum == uncased.vocab_checksum
  text = ['The unaffable café!']
  expected = uncased.tokenize(text).to_list()
  assert restored.tokenize(text).to_list() == expected
