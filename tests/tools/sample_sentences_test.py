"""Sentences sampled from running text."""

import subprocess
import sys
from collections import Counter

import pytest

from system.errors import UserError
from tools import sample_sentences


def test_breaks_and_lost_spaces_end_sentences():
  text = 'It was far too.It never ends well.<br /><br />A  good one!'
  split = sample_sentences.splitter('en')
  assert sample_sentences.document_sentences(text, split) == [
    'It was far too.',
    'It never ends well.',
    'A good one!',
  ]


def test_other_languages_are_split_by_their_own_rules():
  split = sample_sentences.splitter('zh-Hans')
  assert sample_sentences.document_sentences(
    '很好。我喜欢<br>你呢？', split
  ) == [
    *('很好。', '我喜欢', '你呢？'),
  ]
  split = sample_sentences.splitter('de')
  assert split('Er kam z.B. Montag. Sie nicht.') == [
    *('Er kam z.B. Montag.', 'Sie nicht.'),
  ]
  with pytest.raises(UserError, match="does not know 'xyz'"):
    sample_sentences.splitter('xyz')


def test_short_and_long_sentences_are_left_out_and_counted():
  sentences = ['Two words.', 'Here are three.', 'And here there are five.']
  left_out = Counter()
  found = sample_sentences.of_length([*sentences, 'One.'], 3, 4, left_out)
  assert list(found) == ['Here are three.']
  assert left_out == {'short': 2, 'long': 1}


def test_a_sample_has_distinct_sentences_and_follows_the_seed():
  numbers = [f'This is number {n}.' for n in 'abcdefgh']

  def sample(sentences, number, seed=1):
    return sample_sentences.sample(sentences, number, seed, Counter(short=2))

  first = sample(numbers * 2, 5)
  assert len(set(first)) == 5 and set(first) <= set(numbers)
  assert sample(numbers * 3, 5) == first
  assert sample(numbers, 5, seed=2) != first
  assert sorted(sample(numbers, None)) == numbers
  with pytest.raises(
    UserError, match='=9, but the text holds 8 .*; left out: 2 too short, 0 too'
  ):
    sample(numbers, 9)
  with pytest.raises(UserError, match='no sentence of .* 2 too short.*words=1'):
    sample([], None)


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--output_file={}/docs.txt', "/docs.txt' is also an input file"),
    ('--min_words=9', '--min_words=9 is more than --max_words=4'),
    ('--language=c', '--language=c: expected a language code'),
  ],
)
def test_wrong_flags_are_named_and_nothing_is_written(tmp_path, flag, message):
  (tmp_path / 'docs.txt').write_text('A good film. So is this.\n')
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'tools.sample_sentences', '--all_sentences'],
      *[f'--input_file={tmp_path}/*.txt', f'--output_file={tmp_path}/out'],
      *['--max_words=4', flag.format(tmp_path)],
    ],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1 and message in done.stderr
  assert [path.name for path in tmp_path.iterdir()] == ['docs.txt']
  assert (tmp_path / 'docs.txt').read_text().startswith('A good')
