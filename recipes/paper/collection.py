"""Collects the results of an experiment's runs, for `tools.report`.

WORK_DIR/experiments/<name> gets experiment.json and one result for each run.
With --variant=WORD the folder is <name>-WORD, so that a report can have one
experiment with two sets of sizes or encoders.
"""

import contextlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from cli import run_flags
from recipes.paper import plan_flags, scores
from recipes.paper.experiment import Experiment, Run
from system import local_files
from tools import run_result

# What is true of every experiment that trains students.
_OF_STUDENTS = (
  'The spread is that of training a student anew: the seeds share the encoder, '
  'the teacher and the dev split.'
)
_OF_RATES = (
  'The learning rates were chosen on SST-2 for BERT-Tiny with an encoder that '
  'was pre-trained on 6.6 million records. Other sizes and encoders may need '
  'others.'
)


def collect(experiment: Experiment, runs: Sequence[Run], folder: str) -> None:
  """Writes experiment.json and the results that there are, with their keys.

  Results of an earlier plan are removed.
  """
  os.makedirs(folder, exist_ok=True)
  for name in os.listdir(folder):
    if name.endswith('.json'):
      with contextlib.suppress(FileNotFoundError):  # Another process did it.
        os.remove(os.path.join(folder, name))
  found = [_result(run) for run in runs if os.path.exists(run.student.result)]
  planned = [dict(run.keys) for run in runs]
  for record in found:
    name = run_result.file_name(record['keys'])
    run_result.write(folder, name, record)
  local_files.write(
    os.path.join(folder, run_result.EXPERIMENT_FILE),
    json.dumps(_description(experiment, found, planned), indent=2) + '\n',
  )
  print(f'{folder}: {len(found)} of {len(runs)} results')


def _result(run: Run) -> dict[str, Any]:
  """Returns a run's result under the experiment's keys."""
  record = run_result.read(run.student.result)
  record['keys'] = dict(run.keys)
  record['scores']['score'] = scores.main_score(record)
  return record


def _description(
  experiment: Experiment,
  results: Sequence[Mapping[str, Any]],
  planned: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
  """Returns the content of experiment.json."""
  summary = experiment.summary(results) if experiment.summary else []
  notes = [*experiment.notes, *summary]
  if any(x['keys'].get('seed') is not None for x in results):
    notes += [_OF_STUDENTS, *([] if experiment.varies_rates else [_OF_RATES])]
  return {
    'title': experiment.title,
    'question': experiment.question,
    'command': _command(experiment),
    'figure': dict(experiment.figure),
    'paper': list(experiment.paper),
    'paper_source': experiment.paper_source,
    'notes': notes,
    'planned': planned,
  }


def _command(experiment: Experiment) -> str:
  """Returns the command that makes all results anew.

  The command of this process may make some or only collect them; and with its
  --runs_dir, results that are there would be skipped.
  """
  given = run_flags.command(scale=plan_flags.scale_name())['flags']
  left_out = ('--collect', '--only=', '--runs_dir=')
  words = [word for word in given if not word.startswith(left_out)]
  module = f'recipes.paper.{experiment.name}'
  return shlex.join(['python', '-m', module, *words])
