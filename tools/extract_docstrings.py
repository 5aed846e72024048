r"""Makes the quickstart's data from the docstrings of installed packages.

  python -m tools.extract_docstrings --output_dir=quickstart/data --seed=1

For trying out the whole pipeline without downloading data. The tool writes:

  train.tsv dev.tsv test.tsv  the task "are the words in their original order?",
                              with the columns sentence and label
  transfer.txt                more sentences of the task, without labels
  text.txt                    text to pre-train on: the sentences of the modules
                              of train.tsv and transfer.txt, one a line, and a
                              blank line between modules
  labels.txt                  the two labels, one per line
  manifest.json               versions, flags and counts; {} until all is done

The same installed versions and flags give the same bytes. Packages are parsed,
not imported. The tool does nothing if its output is already complete.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Sequence

from absl import flags

from cli import flag_group, script
from system import folders, json_text, local_files
from system.errors import UserError
from system.progress import Progress
from tools.docstrings import docstring_corpus, word_order_task
from tools.docstrings.docstring_corpus import Module
from tools.docstrings.word_order_task import Task

FLAGS = flags.FLAGS

_MANIFEST = 'manifest.json'
_FILES = (
  *['train.tsv', 'dev.tsv', 'test.tsv'],
  *['transfer.txt', 'text.txt', 'labels.txt'],
)


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('output_dir', None, 'The local folder to write to.')
  flags.DEFINE_integer(
    'seed', 1, 'Seed for choosing modules and sentences.', lower_bound=0
  )
  counts = {
    'train_sentences': (4000, 'Number of labelled training sentences (D_L).'),
    'dev_sentences': (1000, 'Number of sentences in dev.tsv.'),
    'test_sentences': (2000, 'Number of sentences in test.tsv.'),
    'transfer_sentences': (
      60000,
      'Largest number of sentences in transfer.txt (D_T).',
    ),
  }
  for name, (default, help_text) in counts.items():
    flags.DEFINE_integer(name, default, help_text, lower_bound=2)


def extract(
  output_dir: str, sizes: word_order_task.Sizes, seed: int
) -> dict[str, object]:
  """Extracts, splits and writes everything, unless the output is complete.

  It is complete with data of other versions of the packages, too.

  Args:
    output_dir: a local folder, created if missing.
    sizes: numbers of sentences.
    seed: seed for choosing modules and sentences.

  Returns:
    The manifest: 'asked', the versions and arguments; 'splits', the number of
    sentences of each split; and 'bytes', the size of each file.

  Raises:
    UserError: the folder cannot be written or holds files of another origin,
      or a file of other versions of the packages is damaged, or too little text
      is installed.
  """
  local_files.require_local(output_dir)
  request = {
    'versions': docstring_corpus.installed_versions(),
    'seed': seed,
    **dataclasses.asdict(sizes),
  }
  folder = pathlib.Path(output_dir)
  manifest = _manifest(folder / _MANIFEST)
  if manifest is None:
    folders.check_free(
      output_dir,
      [_MANIFEST, *_FILES],
      f'but no {_MANIFEST} of this tool: they would be replaced',
    )
  elif _is_of(manifest, request):
    is_same = manifest['asked'] == request
    damaged = _damaged(folder, manifest)
    if damaged and not is_same:
      raise UserError(
        f'{damaged[0]} is gone or cut off, and cannot be made again: other '
        'versions of the packages are installed. Restore it, or give another '
        'folder.'
      )
    if not damaged:
      print(f'{folder} is complete, nothing to do')
      if not is_same:
        print(
          'It was made from other versions of the packages. Remove the folder '
          'to extract the text of the installed ones.'
        )
      return manifest
  # Fails before the packages are read if the folder cannot be written.
  local_files.write(folder / _MANIFEST, '{}\n')
  task = _build_task(read_modules(), sizes, seed)
  texts = _task_files(task)
  manifest = {
    'asked': request,
    'splits': {name: len(pairs) for name, pairs in sorted(task.splits.items())},
    'bytes': {name: len(text.encode()) for name, text in texts.items()},
  }
  for name, text in texts.items():
    local_files.write(folder / name, text)
  local_files.write(folder / _MANIFEST, json.dumps(manifest, indent=2) + '\n')
  return manifest


def read_modules() -> list[Module]:
  """Reads the installed libraries, and prints the names of missing ones."""
  libraries = sorted(docstring_corpus.LIBRARIES)
  modules: list[Module] = []
  with Progress(len(libraries), ' libraries') as progress:
    for done, library in enumerate(libraries):
      progress.update(done, f'reading {library}')
      found = list(docstring_corpus.read_library(library))
      if not found:
        print(f'{library} is not installed, left out')
      modules += found
  return modules


def main(_: list[str]) -> None:
  """Extracts the data and prints the counts."""
  flag_group.require('output_dir')
  sizes = word_order_task.Sizes(
    train=FLAGS.train_sentences,
    dev=FLAGS.dev_sentences,
    test=FLAGS.test_sentences,
    transfer=FLAGS.transfer_sentences,
  )
  manifest = extract(FLAGS.output_dir, sizes, FLAGS.seed)
  for name in ('splits', 'bytes'):
    counts = (f'{key} {count:,}' for key, count in manifest[name].items())
    print(f'{name}: {", ".join(counts)}')


def _build_task(
  modules: Sequence[Module], sizes: word_order_task.Sizes, seed: int
) -> Task:
  """Builds the task; see `word_order_task`."""
  try:
    return word_order_task.build_task(modules, sizes, seed)
  except ValueError as error:
    raise UserError(
      f'the installed packages have too little text: {error}'
    ) from error


def _manifest(path: pathlib.Path) -> dict | None:
  """Returns the manifest, {} if this tool was cut off; None if it has none."""
  try:
    manifest = json_text.parse(path.read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return None
  is_ours = manifest == {} or (
    isinstance(manifest, dict) and 'asked' in manifest
  )
  return manifest if is_ours else None


def _is_of(manifest: dict, request: dict) -> bool:
  """Returns whether data was asked for with the same arguments.

  Data of other versions of the packages stays: models may be trained on it.
  """
  asked = manifest.get('asked', {})
  return request == {**asked, 'versions': request['versions']}


def _damaged(folder: pathlib.Path, manifest: dict) -> list[pathlib.Path]:
  """Returns the files that are gone, or have another size than recorded."""
  paths = ((folder / name, size) for name, size in manifest['bytes'].items())
  return [
    path
    for path, size in paths
    if not path.is_file() or path.stat().st_size != size
  ]


def _task_files(task: Task) -> dict[str, str]:
  """Returns the contents of the task's files by name."""
  texts = {
    'labels.txt': _lines(word_order_task.LABELS),
    'transfer.txt': _lines(text for text, _ in task.splits['transfer']),
    'text.txt': '\n'.join(map(_lines, task.documents)),
  }
  for split in ('train', 'dev', 'test'):
    rows = ('\t'.join(pair) for pair in task.splits[split])
    texts[f'{split}.tsv'] = _lines(['sentence\tlabel', *rows])
  return texts


def _lines(lines: Iterable[str]) -> str:
  return ''.join(f'{line}\n' for line in lines)


if __name__ == '__main__':
  define_flags()
  script.run(main)
