"""The sections of a model card that tell how a run made its model.

Each returns Markdown, or '' where the run recorded nothing of the kind.

Tested by `tests/serving/exports/model_card_test.py`.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from distillation.dump_manifest import Manifest, Origin
from serving.exports.run_facts import RunFacts

_AGREEMENT = 'teacher_agreement'
_TEACHER = 'teacher_'


def training(facts: RunFacts) -> str:
  """Returns the data, the transfer set and the teachers."""
  lines = []
  if count := facts.configuration.get('num_train_examples'):
    lines.append(f'- Labelled training examples: {count:,}')
  for manifest in facts.dumps:
    lines += _of_dump(manifest)
  if start := facts.configuration.get('init_checkpoint'):
    lines.append(f'- SHA-256 of the first weights: `{start}`')
  return _section('Training data', '\n'.join(lines))


def _of_dump(manifest: Manifest) -> list[str]:
  text = f'- Transfer set: {manifest.num_examples:,} texts'
  if manifest.num_labelled:
    text += f', {manifest.num_labelled:,} of them with a label'
  if manifest.num_held_out:
    text += (
      f'; {manifest.num_held_out:,} others were left out because dev or test '
      'contains them'
    )
  return [text, *map(_of_teacher, manifest.origins)]


def _of_teacher(origin: Origin) -> str:
  scores = ', '.join(
    f'{name.removeprefix("eval_")} {value:.4f}'
    for name, value in origin.teacher_scores.items()
    if name != 'loss' and math.isfinite(value)
  )
  text = f'- Teacher: {origin.describe()}'
  return f'{text}; on dev: {scores}' if scores else text


def recipe(facts: RunFacts) -> str:
  """Returns the command and the versions of the packages."""
  if not facts.command:
    return ''
  command = ' \\\n  '.join(['python', *map(shlex.quote, facts.command)])
  command = command.replace('python \\\n  ', 'python ', 1)
  versions = ', '.join(f'{k} {v}' for k, v in sorted(facts.versions.items()))
  return _section(
    'Recipe', f'```shell\n{command}\n```' + f'\n\n{versions}.' * bool(versions)
  )


def scores(facts: RunFacts, results: Sequence[Mapping[str, Any]] = ()) -> str:
  """Returns the scores, their spread, and those of other runs.

  Args:
    facts: of the run.
    results: of other runs, as `tools.record_result` writes them.
  """
  own = {
    name: value
    for name, value in facts.scores.items()
    if not name.startswith(_TEACHER)
  }
  texts = [_table(own, facts)] if own else []
  if others := [_of_result(result) for result in results]:
    texts.append('Other runs:\n\n' + '\n'.join(others))
  return _section('Scores', '\n\n'.join(texts))


def _table(own: Mapping[str, float], facts: RunFacts) -> str:
  if not facts.spread:
    rows = [f'| {name} | {value:.4f} |' for name, value in own.items()]
    return '\n'.join([f'| on {facts.split} | score |', '| --- | ---: |', *rows])
  rows = [
    f'| {name} | {value:.4f} | {_range(facts.spread, name)} |'
    for name, value in own.items()
  ]
  head = f'| on {facts.split} | score | of {facts.num_seeds} seeds |'
  return '\n'.join([head, '| --- | ---: | ---: |', *rows])


def _range(spread: Mapping[str, Mapping[str, float]], name: str) -> str:
  found = spread.get(f'eval_{name}') or spread.get(name) or {}
  if 'lowest' not in found or 'highest' not in found:
    return ''
  return f'{found["lowest"]:.4f}–{found["highest"]:.4f}'


def _of_result(result: Mapping[str, Any]) -> str:
  keys = ', '.join(f'{k} {v}' for k, v in result['keys'].items())
  found = ', '.join(
    f'{name} {value:.4f}'
    for name, value in result['scores'].items()
    if value is not None and not name.startswith(_TEACHER)
  )
  return f'- {keys}, on {result["split"]}: {found}'


def agreement(facts: RunFacts) -> str:
  """Returns how often the student predicts what its teacher does."""
  if (share := facts.scores.get(_AGREEMENT)) is None:
    return ''
  return _section(
    'Agreement with the teacher',
    f'It predicts the label of its teacher for {share:.2%} of the examples of '
    f'{facts.split}.',
  )


def speed(facts: RunFacts) -> str:
  """Returns the speed of evaluation."""
  if not facts.examples_per_second:
    return ''
  return _section(
    'Speed',
    f'{facts.examples_per_second:,.1f} examples a second while the run was '
    'evaluated, on its own hardware.',
  )


def _section(title: str, text: str) -> str:
  return f'## {title}\n\n{text}' if text else ''
