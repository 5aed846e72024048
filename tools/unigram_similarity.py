r"""Measures how similar two texts are, by the words that they use.

  python -m tools.unigram_similarity --input_file=task.txt \
    --other_files=films.txt,books.txt --output_file=similarity.json

For choosing a transfer set: Turc et al. compare domains with their task by the
Spearman correlation of unigram frequencies. The tool counts lower-case words,
as BERT splits them, and correlates the ranks of the relative frequencies of
the words that are among the --num_words most frequent ones of either text. A
word that one text lacks has the frequency 0 there. Files have one sentence per
line, or are tables with the column --text_column.
"""

import collections
import json
import os
import re
from collections.abc import Iterable, Mapping

from absl import flags

from cli import flag_group, script
from tools import local_files
from tools.sample_sentences import read_documents

FLAGS = flags.FLAGS

# A run of letters and digits, or one other character that is no space.
_WORD = re.compile(r'\w+|[^\w\s]')


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_file', None, 'The text to compare the others with.'
  )
  flags.DEFINE_list('other_files', None, 'The other texts.')
  flags.DEFINE_string(
    'output_file', None, 'A JSON file to write: name of a file → similarity.'
  )
  flags.DEFINE_integer(
    'num_words', 10_000, 'The most frequent words of each text to compare.', 2
  )
  flags.DEFINE_string('text_column', None, 'The column, for --input_file.')


def count(lines: Iterable[str]) -> collections.Counter[str]:
  """Counts the words of a text, in lower case."""
  words: collections.Counter[str] = collections.Counter()
  for line in lines:
    words.update(_WORD.findall(line.lower()))
  return words


def similarity(
  first: Mapping[str, int], second: Mapping[str, int], num_words: int
) -> float:
  """Returns Spearman's rank correlation of two texts' word frequencies.

  Args:
    first: word → its count in one text.
    second: word → its count in the other.
    num_words: how many of the most frequent words of each to compare.

  Returns:
    -1 to 1; words of the same frequency share their mean rank.
  """
  from scipy import stats

  words = sorted(
    {
      word
      for counts in (first, second)
      for word, _ in collections.Counter(counts).most_common(num_words)
    }
  )
  ranks = [[counts.get(w, 0) for w in words] for counts in (first, second)]
  return float(stats.spearmanr(*ranks).statistic)


def main(_: list[str]) -> None:
  """Prints and writes the similarities."""
  flag_group.require('input_file', 'other_files')
  first = count(read_documents(FLAGS.input_file, FLAGS.text_column))
  found = {}
  for path in FLAGS.other_files:
    counts = count(read_documents(path, None))
    name = os.path.basename(path).partition('.')[0]
    found[name] = round(similarity(first, counts, FLAGS.num_words), 4)
    print(f'{name}\t{found[name]}')
  if FLAGS.output_file:
    local_files.write(FLAGS.output_file, json.dumps(found, indent=2) + '\n')


if __name__ == '__main__':
  define_flags()
  script.run(main)
