"""Writes docs/flags.md: every flag of the five scripts, from its declaration.

  python -m tools.flags_page

A test compares the page with the declarations.
"""

import inspect

from absl import flags

from cli import flag_group, script
from cli.run_flags import RunOptions
from data.pretraining.creation_options import CreationOptions
from distillation.options import DistillationOptions
from pipeline.options import PipelineOptions
from system import local_files, settings
from training.pretraining_options import PretrainingOptions
from training.task_job_options import TaskJobOptions

FLAGS = flags.FLAGS

PATH = 'docs/flags.md'

# Script → the groups of its flags.
_SCRIPTS = {
  'create_pretraining_data.py': [
    *flag_group.groups_in(CreationOptions),
  ],
  'run_pretraining.py': [
    *(RunOptions, *flag_group.groups_in(PretrainingOptions)),
  ],
  'run_classifier.py': [RunOptions, *flag_group.groups_in(TaskJobOptions)],
  'run_distillation.py': [
    *(RunOptions, *flag_group.groups_in(DistillationOptions)),
  ],
  'run_pipeline.py': [*flag_group.groups_in(PipelineOptions)],
}
_HEAD = """\
# Flags

Every flag of the five scripts. `python -m tools.flags_page` writes this page
from the declarations (`system/settings.py`). Flags whose meaning begins with
"Added" are not google-research/bert's. A given flag is an error if one of the
conditions under *needs* does not hold. A flag with a ● decides the weights by
its value, so a run does not resume with another value. Nor does it resume
with another model, starting checkpoint, vocabulary, task, labels or data,
another number of training or warm-up steps (`--num_train_epochs`,
`--warmup_proportion`), or, with `--eval_steps`, other settings of that
evaluation.
"""


def page() -> str:
  """Returns the page's text."""
  scripts: dict[type, list[str]] = {}
  for name, groups in _SCRIPTS.items():
    for group in groups:
      for base in reversed(group.__mro__[:-1]):
        users = scripts.setdefault(base, [])
        users += [name] * (name not in users)
  sections = [_section(group, users) for group, users in scripts.items()]
  return _HEAD + ''.join(filter(None, sections))


def _section(group: type, scripts: list[str]) -> str:
  """Returns the flags that a group declares itself; '' for none."""
  inherited = {
    each.name
    for base in group.__mro__[1:-1]
    for each in settings.declared_in(base)
  }
  own = [x for x in settings.declared_in(group) if x.name not in inherited]
  if not own:
    return ''
  title = inspect.getdoc(group).splitlines()[0].rstrip('.')
  users = ', '.join(f'`{name}`' for name in scripts)
  rows = ''.join(map(_row, own))
  return f"""
## {title}

{users}

| flag | default | meaning | needs | ● |
| --- | --- | --- | --- | --- |
{rows}"""


def _row(each: settings.Declared) -> str:
  declared = each.setting
  values = settings.limits(declared)
  meaning = declared.help + (f' Values: {values}.' if values else '')
  needs = ' and '.join(map(_condition, declared.needs))
  cells = [
    f'`--{each.name}`',
    '' if each.default in (None, ()) else f'`{each.default}`',
    _escape(meaning),
    _escape(needs),
    '●' if declared.decides_weights else '',
  ]
  return f'| {" | ".join(cells)} |\n'


def _condition(text: str) -> str:
  parts = [f'`--{part}`' for part in text.split('|')]
  return ' or '.join(
    f'no `--{part[4:]}' if part.startswith('`--!') else part for part in parts
  )


def _escape(text: str) -> str:
  return text.replace('|', '\\|').replace('<', '&lt;').replace('*', '\\*')


def main(_: list[str]) -> None:
  """Writes the page."""
  local_files.write(PATH, page())


if __name__ == '__main__':
  script.run(main)
