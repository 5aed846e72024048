"""The tasks of GLUE, and XNLI, in the layouts of their official files.

A new task is a new row of the table `_TASKS`; a new file layout is a new
`Layout`.
"""

import dataclasses
from collections.abc import Mapping

from data.tasks.examples import Fields
from data.tasks.file_splits import FileSplit, Layout, Selection
from data.tasks.task import Task
from system.errors import UserError


def _layouts(
  fields: Fields,
  names: Mapping[str, str] | None = None,
  positions: Mapping[str, int] | None = None,
  **train_and_dev,
) -> dict[str, Layout]:
  """Returns GLUE's layouts; test has a header, an index and no label.

  Args:
    fields: the columns of an example's fields.
    names: split → file.
    positions: as in `Layout`, of the label, too.
    **train_and_dev: what else the layouts of these splits have.
  """
  names = names or {s: f'{s}.tsv' for s in ('train', 'dev', 'test')}
  places = positions or {}
  of_test = {x: p for x, p in places.items() if x != fields.label}
  return {
    split: Layout(file, fields.without_label(), positions=of_test)
    if split.startswith('test')
    else Layout(file, fields, positions=places, **train_and_dev)
    for split, file in names.items()
  }


def _in_files(
  name: str, *variants: Mapping[str, Layout]
) -> dict[str, FileSplit]:
  """Returns the splits of files in one of several variants of layouts."""
  return {
    split: FileSplit(name, tuple(v[split] for v in variants))
    for split in variants[0]
  }


_MNLI_FILES = {
  'train': 'train.tsv',
  'dev': 'dev_matched.tsv',
  'dev_mismatched': 'dev_mismatched.tsv',
  'test': 'test_matched.tsv',
  'test_mismatched': 'test_mismatched.tsv',
}
_PAIR = Fields('sentence1', 'sentence2')
_BINARY = ('0', '1')
_NLI = ('contradiction', 'entailment', 'neutral')
_COLA_COLUMNS = ('source', 'label', 'star', 'sentence')
_MRPC = Fields('#1 String', '#2 String', 'Quality')


def _mrpc_as_released() -> dict[str, Layout]:
  """Returns the layouts of Microsoft's files, which hold train and dev in one.

  GLUE's file dev_ids.tsv lists the pairs of dev. Downloads contain these files
  if GLUE's script failed to convert them to train.tsv, dev.tsv and test.tsv.
  """
  listed = Selection(('#1 ID', '#2 ID'), file='dev_ids.tsv')
  others = dataclasses.replace(listed, is_inverted=True)
  file = 'msr_paraphrase_train.txt'
  return {
    'train': Layout(file, _MRPC, selection=others),
    'dev': Layout(file, _MRPC, selection=listed),
    'test': Layout('msr_paraphrase_test.txt', _MRPC.without_label()),
  }


def xnli(language: str) -> Task:
  """Returns XNLI in one of `XNLI_LANGUAGES`; its test split has labels."""
  train = Fields(
    'premise',
    'hypothesis',
    renamed_labels={'contradictory': 'contradiction'},
  )
  fields = Fields('sentence1', 'sentence2', 'gold_label', index='pairID')
  layouts = {
    # Columns by position, as in google-research/bert: the header says 'hypo'.
    'train': Layout(
      f'multinli/multinli.train.{language}.tsv', train, columns=train.required()
    )
  }
  for split in ('dev', 'test'):
    layouts[split] = Layout(
      f'xnli.{split}.tsv',
      fields,
      selection=Selection(('language',), (language,)),
    )
  return Task('XNLI', _NLI, ('accuracy',), _in_files('XNLI', layouts))


XNLI_LANGUAGES = tuple('ar bg de el en es fr hi ru sw th tr ur vi zh'.split())


# The order of the labels is that of google-research/bert if it has the task.
_TASKS = (
  Task(
    'CoLA',
    _BINARY,
    ('matthews_correlation', 'accuracy'),
    _in_files(
      'CoLA',
      _layouts(
        Fields(),
        positions={'sentence': 1},  # In test.
        columns=_COLA_COLUMNS,
        has_header=False,
      ),
    ),
    class_names={'unacceptable': '0', 'acceptable': '1'},
  ),
  Task(
    'SST-2',
    _BINARY,
    ('accuracy',),
    _in_files('SST-2', _layouts(Fields())),
    class_names={'negative': '0', 'positive': '1'},
  ),
  Task(
    'MRPC',
    _BINARY,
    ('f1', 'accuracy'),
    _in_files(
      'MRPC',
      _layouts(_MRPC, positions={'Quality': 0, '#1 String': 3, '#2 String': 4}),
      _mrpc_as_released(),
    ),
    is_symmetric=True,
    class_names={'not_equivalent': '0', 'equivalent': '1'},
  ),
  Task(
    'STS-B',
    (),
    ('pearson', 'spearman'),
    _in_files('STS-B', _layouts(dataclasses.replace(_PAIR, label='score'))),
    is_symmetric=True,
  ),
  Task(
    'QQP',
    _BINARY,
    ('f1', 'accuracy'),
    _in_files(
      'QQP',
      _layouts(
        Fields('question1', 'question2', 'is_duplicate', 'id'),
        skips_broken_rows=True,
      ),
    ),
    is_symmetric=True,
    class_names={'not_duplicate': '0', 'duplicate': '1'},
  ),
  Task(
    'MNLI',
    _NLI,
    ('accuracy',),
    _in_files(
      'MNLI',
      _layouts(
        dataclasses.replace(_PAIR, label='gold_label'),
        _MNLI_FILES,
        positions={'sentence1': 8, 'sentence2': 9, 'gold_label': -1},
        skips_broken_rows=True,
      ),
    ),
  ),
  Task(
    'QNLI',
    ('entailment', 'not_entailment'),
    ('accuracy',),
    _in_files('QNLI', _layouts(Fields('question', 'sentence'))),
  ),
  Task(
    'RTE',
    ('entailment', 'not_entailment'),
    ('accuracy',),
    _in_files('RTE', _layouts(_PAIR)),
  ),
  Task(
    'WNLI',
    _BINARY,
    ('accuracy',),
    _in_files('WNLI', _layouts(_PAIR)),
    class_names={'not_entailment': '0', 'entailment': '1'},
  ),
  # GLUE's diagnostic set: a test set only, for MNLI models.
  Task(
    'AX',
    _NLI,
    ('matthews_correlation',),
    _in_files(
      'AX',
      *(
        _layouts(_PAIR, {'test': file})
        for file in ('diagnostic/diagnostic.tsv', 'diagnostic.tsv', 'test.tsv')
      ),
    ),
  ),
  xnli('zh'),
)


def key(name: str) -> str:
  """Returns a task's name without case and hyphens, for comparison."""
  return name.lower().replace('-', '').replace('_', '')


_TASK_OF_KEY = {key(task.name): task for task in _TASKS}


def task_names() -> tuple[str, ...]:
  """Returns every known task in GLUE's spelling."""
  return tuple(task.name for task in _TASKS)


def get_task(name: str) -> Task:
  """Returns a task by its name in any case; hyphens are optional ('sst2').

  Raises:
    UserError: there is no such task; the message lists the known ones.
  """
  if key(name) not in _TASK_OF_KEY:
    known = ', '.join(task_names())
    raise UserError(f'unknown task {name!r}; known tasks: {known}')
  return _TASK_OF_KEY[key(name)]
