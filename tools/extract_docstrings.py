r"""Makes the quickstart's data from the docstrings of installed packages.

  python -m tools.extract_docstrings --output_dir=quickstart/data --seed=1

For trying out the whole pipeline without downloading data. The tool writes:

  docstrings.txt              pre-training text: one sentence per line, a blank
                              line between documents (modules)
  docstrings-heldout.txt      the same from the modules of the dev split
  train.tsv dev.tsv test.tsv  the task "which library is this sentence from?",
                              with the columns sentence and label
  transfer.txt                more sentences of the task, without labels
  labels.txt                  the libraries, one per line
  manifest.json               versions, flags and counts; {} until all is done

The same installed versions and flags give the same bytes. Packages are parsed,
not imported. The tool does nothing if its output is already complete.
"""

import collections
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from absl import flags

from cli import flag_group, script
from system import json_text, local_files
from system.errors import UserError
from system.progress import Progress
from tools import docstring_corpus, library_task
from tools.docstring_corpus import Module
from tools.library_task import Task

FLAGS = flags.FLAGS

_MANIFEST = 'manifest.json'


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('output_dir', None, 'The local folder to write to.')
  flags.DEFINE_integer(
    'seed', 1, 'Seed for choosing modules and sentences.', lower_bound=0
  )
  counts = {
    'num_labels': (
      8,
      'Number of libraries in the task: those with the most sentences.',
    ),
    'train_sentences': (2000, 'Number of labelled training sentences (D_L).'),
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
  output_dir: str, num_labels: int, sizes: library_task.Sizes, seed: int
) -> dict[str, object]:
  """Extracts, splits and writes everything, unless the output is complete.

  Args:
    output_dir: a local folder, created if missing.
    num_labels: number of libraries in the task.
    sizes: numbers of sentences.
    seed: seed for choosing modules and sentences.

  Returns:
    The manifest: 'asked', the versions and arguments; 'sentences', the number
    of pre-training sentences of each library; 'splits', the number of sentences
    of each split; and 'bytes', the size of each file.

  Raises:
    UserError: the folder cannot be written, or too little text is installed.
  """
  request = {
    'versions': docstring_corpus.installed_versions(),
    'num_labels': num_labels,
    'seed': seed,
    **dataclasses.asdict(sizes),
  }
  folder = pathlib.Path(output_dir)
  complete = _complete_manifest(folder / _MANIFEST, request)
  if complete:
    print(f'{folder} is complete, nothing to do')
    return complete
  # Fails before the packages are read if the folder cannot be written.
  local_files.write(folder / _MANIFEST, '{}\n')
  modules = read_modules()
  task = _build_task(modules, num_labels, sizes, seed)
  train_text, heldout_text = pretraining_modules(modules, task)
  texts = {
    'docstrings.txt': _documents(train_text),
    'docstrings-heldout.txt': _documents(heldout_text),
    **_task_files(task),
  }
  manifest = {
    'asked': request,
    'sentences': _count_by_library(train_text),
    'splits': {name: len(pairs) for name, pairs in task.splits.items()},
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


def pretraining_modules(
  modules: Iterable[Module], task: Task
) -> tuple[list[Module], list[Module]]:
  """Splits the pre-training text and keeps the task's test split out of it.

  Returns:
    (training, held-out): modules with their remaining sentences. The held-out
    modules are those of the dev split; test modules are left out. No sentence
    occurs twice, and no training sentence is a near-duplicate of a sentence in
    dev or test.
  """
  evaluation_shingles = {
    shingle
    for split in ('dev', 'test')
    for text, _ in task.splits[split]
    for shingle in library_task.shingles(text)
  }
  parts: dict[str, list[Module]] = {'train': [], 'dev': []}
  seen: set[str] = set()
  for module in modules:
    split = task.module_splits.get(module.name, 'train')
    if split not in parts:
      continue
    fresh = [s for s in dict.fromkeys(module.sentences) if s not in seen]
    seen.update(fresh)
    if split == 'train':
      fresh = [
        sentence
        for sentence in fresh
        if evaluation_shingles.isdisjoint(
          library_task.shingles(library_task.mask_names(sentence, task.names))
        )
      ]
    if fresh:
      parts[split].append(dataclasses.replace(module, sentences=tuple(fresh)))
  return parts['train'], parts['dev']


def main(_: list[str]) -> None:
  """Extracts the data and prints the counts."""
  flag_group.require('output_dir')
  sizes = library_task.Sizes(
    train=FLAGS.train_sentences,
    dev=FLAGS.dev_sentences,
    test=FLAGS.test_sentences,
    transfer=FLAGS.transfer_sentences,
  )
  manifest = extract(FLAGS.output_dir, FLAGS.num_labels, sizes, FLAGS.seed)
  for name in ('sentences', 'splits', 'bytes'):
    counts = (f'{key} {count:,}' for key, count in manifest[name].items())
    print(f'{name}: {", ".join(counts)}')


def _build_task(
  modules: Sequence[Module],
  num_labels: int,
  sizes: library_task.Sizes,
  seed: int,
) -> Task:
  """Builds the task from the largest libraries; see `library_task`."""
  labels = library_task.largest_libraries(modules, num_labels)
  if len(labels) < num_labels:
    raise UserError(
      f'--num_labels={num_labels}, but only {len(labels)} libraries with '
      f'docstrings are installed: {", ".join(labels)}'
    )
  names = library_task.LIBRARY_NAMES.union(
    docstring_corpus.LIBRARIES,
    *(docstring_corpus.module_names(label) for label in labels),
  )
  try:
    return library_task.build_task(modules, labels, names, sizes, seed)
  except ValueError as error:
    raise UserError(
      f'the installed packages have too little text: {error}'
    ) from error


def _complete_manifest(path: pathlib.Path, request: Mapping) -> dict | None:
  """Returns the manifest of complete output of the same request, or None."""
  try:
    manifest = json_text.parse(path.read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return None
  is_same = isinstance(manifest, dict) and manifest.get('asked') == request
  return manifest if is_same else None


def _task_files(task: Task) -> dict[str, str]:
  """Returns the contents of the task's files by name."""
  texts = {
    'labels.txt': _lines(task.labels),
    'transfer.txt': _lines(text for text, _ in task.splits['transfer']),
  }
  for split in ('train', 'dev', 'test'):
    rows = ('\t'.join(pair) for pair in task.splits[split])
    texts[f'{split}.tsv'] = _lines(['sentence\tlabel', *rows])
  return texts


def _documents(modules: Iterable[Module]) -> str:
  return '\n'.join(_lines(module.sentences) for module in modules)


def _lines(lines: Iterable[str]) -> str:
  return ''.join(f'{line}\n' for line in lines)


def _count_by_library(modules: Iterable[Module]) -> dict[str, int]:
  counts = collections.Counter()
  for module in modules:
    counts[module.library] += len(module.sentences)
  return dict(counts.most_common())


if __name__ == '__main__':
  define_flags()
  script.run(main)
