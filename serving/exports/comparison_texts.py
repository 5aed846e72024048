"""The texts on which an export is compared with its run.

Tested by `tests/serving/exports/comparison_texts_test.py`.
"""

from serving.exports.dev_set import DevSet
from serving.exports.parts import Parts
from serving.text_model import Text
from system import files, text_files
from system.errors import UserError

# The maximum number of texts of a dev set on which an export is compared. Of a
# larger set it is every second text, or every third, and so on.
_MAX_DEV_TEXTS = 2000
# Used if neither a file nor the run's dev set is available.
_BUILT_IN = (
  'A gentle, funny and moving film.',
  'two hours and 17 minutes of my life, wasted!',
  'The quick brown fox jumps over the lazy dog.',
  "I don't know whether it's good or bad; perhaps it's both.",
  'Anarchism is a political philosophy that advocates stateless societies.',
  'Returns the indices of the maximum values along an axis (see numpy.argmax).',
  'Prices rose 3.5% to $1,234.56 on 24 October 2018.',
  'Ein größerer Überblick: Äpfel, Öl und Übermut.',
  'Le café du théâtre où naïveté rime avec déjà-vu.',
  'El niño comió piñas; ¿quién lo diría?',
  '我喜欢这部电影，但是太长了。',
  '東京は日本の首都です。',
  'Москва — столица России.',
  'the the the the the the the the the the the the the the the the the the '
  'the the the the the the the the the the the the the the the the the the '
  'the the the the the the the the the the the the the the the the the the '
  'the the the the the the the the the the the the the the the the the the',
  'x',
  '',
)


def choose(
  parts: Parts, text_file: str | None, dev: DevSet | None
) -> tuple[str, list[Text]]:
  """Returns what the texts are, for the report, and the texts.

  Args:
    parts: the model.
    text_file: one text per line; a pair's texts are separated by a tab. Blank
      lines at the end are left out. None for texts that are spread over the dev
      set, at most `_MAX_DEV_TEXTS`, or else built-in texts.
    dev: the run's dev set; None if it is not available.

  Raises:
    UserError: a line is not one text, or not a pair.
  """
  if text_file:
    return text_file, list(_read(text_file, bool(parts.takes_pairs)))
  if dev:
    found = dev.texts
    step = -(-len(found) // _MAX_DEV_TEXTS)
    source = f'the dev set of {dev.task.name}'
    if step > 1:
      source += f' with {len(found):,} texts, one in {step:,}'
    return source, found[:: step or 1]
  texts: list[Text] = list(_BUILT_IN)
  if parts.takes_pairs:
    texts = list(zip(texts[:-1], texts[1:-1] + texts[:1], strict=True))
  return f'{len(texts)} built-in texts', texts


def _read(path: str, are_pairs: bool):
  files.require_file(path, '`text_file`')
  lines = text_files.without_blank_end(text_files.read_lines(path))
  for number, line in enumerate(lines, 1):
    texts = tuple(line.split('\t'))
    if not are_pairs:
      yield line
    elif len(texts) == 2:
      yield texts
    else:
      raise UserError(
        f'{path}, line {number}: found {len(texts)} texts, expected two, '
        'separated by a tab'
      )
