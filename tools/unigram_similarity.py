r"""Measures how similar two texts are, by the words that they use.

  python -m tools.unigram_similarity --task_name=SST-2 --data_dir=glue/SST-2 \
    --other_files=films.txt,books.txt --output_file=similarity.json

For choosing a transfer set: Turc et al. compare domains with their task by the
Spearman correlation of unigram frequencies. The tool counts lower-case words
and punctuation marks, and correlates the ranks that the --num_words most
frequent ones of --input_file have in both texts. A word that the other text
lacks has the frequency 0 there. (With the other text's own words among them,
the correlation becomes negative: most of these occur in one text only.) Files
have one sentence per line. --input_file names a text instead of a task's; it
may be a table with --text_column.
"""

import collections
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping

from absl import flags

from cli import flag_group, script
from data.tasks import glue
from system import files, local_files
from system.errors import UserError
from tools import documents

FLAGS = flags.FLAGS

# A run of letters and digits, or one other character that is not a space.
_WORD = re.compile(r'\w+|[^\w\s]')


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'task_name', None, 'The task of GLUE to compare the others with.'
  )
  flags.DEFINE_string('data_dir', None, "The folder with the task's files.")
  flags.DEFINE_string(
    'input_file',
    None,
    "The text to compare the others with, if it is not a task's.",
  )
  flags.DEFINE_list('other_files', None, 'The other texts.')
  flags.DEFINE_string(
    'output_file',
    None,
    'A JSON file to write: name of a file, up to its first dot → similarity, '
    'or null if it is undefined.',
  )
  flags.DEFINE_integer(
    'num_words', 5000, "Words to compare: the first text's most frequent.", 2
  )
  flags.DEFINE_integer(
    'max_lines', None, 'Lines to read of each other text; by default all.', 1
  )
  flags.DEFINE_string('text_column', None, 'The column, for --input_file.')


def count(lines: Iterable[str]) -> collections.Counter[str]:
  """Counts the words of a text, in lower case."""
  words: collections.Counter[str] = collections.Counter()
  for line in lines:
    words.update(_WORD.findall(line.lower()))
  return words


def similarity(
  first: collections.Counter[str], second: Mapping[str, int], num_words: int
) -> float | None:
  """Returns Spearman's rank correlation of two texts' word frequencies.

  Args:
    first: word → its count in the text whose words are compared.
    second: word → its count in the other text.
    num_words: how many of the most frequent words of `first` to compare.

  Returns:
    -1 to 1; words of the same frequency share their mean rank. None if a text
    has all words equally often: the correlation is undefined.
  """
  words = [word for word, _ in first.most_common(num_words)]
  counts = [[text.get(w, 0) for w in words] for text in (first, second)]
  if any(len(set(own)) < 2 for own in counts):
    return None
  from scipy import stats

  return float(stats.spearmanr(*counts).statistic)


def names_of(paths: Iterable[str]) -> dict[str, str]:
  """Returns the name of each file, up to its first dot → its path.

  Raises:
    UserError: two files have one name.
  """
  found: dict[str, str] = {}
  for path in paths:
    name = os.path.basename(path).partition('.')[0]
    if name in found:
      raise UserError(
        f'--other_files: {found[name]} and {path} are both named {name!r}, and '
        'names tell the similarities apart'
      )
    found[name] = path
  return found


def task_texts(name: str, data_dir: str) -> Iterator[str]:
  """Yields the texts of a task's training split."""
  task = glue.get_task(name)
  task.locate(data_dir, 'train')
  for _, example in task.splits['train'].read(data_dir):
    yield example.text_a
    yield example.text_b or ''


def main(_: list[str]) -> None:
  """Prints and writes the similarities."""
  flag_group.require('other_files')
  paths = names_of(FLAGS.other_files)
  if FLAGS.task_name:
    flag_group.refuse_if_given(
      ['input_file', 'text_column'], '--task_name names the text'
    )
    flag_group.require('data_dir')
    first_path = glue.get_task(FLAGS.task_name).locate(FLAGS.data_dir, 'train')
    texts = task_texts(FLAGS.task_name, FLAGS.data_dir)
  else:
    flag_group.refuse_if_given(['data_dir'], '--task_name is not given')
    flag_group.require('input_file')
    first_path = FLAGS.input_file
    texts = documents.read(first_path, FLAGS.text_column)
  if FLAGS.output_file:
    local_files.require_local(FLAGS.output_file)
    files.check_output_file(FLAGS.output_file, [first_path, *paths.values()])
  first = count(texts)
  found = {}
  for name, path in paths.items():
    lines = documents.read(path, None)
    counts = count(itertools.islice(lines, FLAGS.max_lines))
    value = similarity(first, counts, FLAGS.num_words)
    found[name] = None if value is None else round(value, 4)
    print(f'{name}\t{"undefined" if value is None else found[name]}')
  if FLAGS.output_file:
    local_files.write(FLAGS.output_file, json.dumps(found, indent=2) + '\n')


if __name__ == '__main__':
  define_flags()
  script.run(main)
