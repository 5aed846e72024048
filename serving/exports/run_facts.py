"""Reads what the files of a run record, for its model card.

Does not import TensorFlow. What a run did not record stays None or empty.

Tested by `tests/serving/exports/model_card_test.py`.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import logging

from distillation import dump_manifest
from distillation.dump_manifest import Manifest
from modeling.checkpoints import location, run_files
from system import files
from system.errors import UserError
from training import result_files, seed_folders

# The splits that `eval_split` can name.
_EVAL_SPLITS = ('dev', 'test')


@dataclasses.dataclass(frozen=True)
class RunFacts:
  """What a run records of itself.

  Attributes:
    command: the words of its command after `python`, the script first.
    configuration: of run.json: what decides its weights.
    versions: package → version.
    split: the evaluated split.
    scores: of eval_results.txt, without 'eval_'.
    spread: score → 'lowest', 'highest' and others over several seeds.
    num_seeds: of these; 0 without them.
    examples_per_second: the speed of evaluation.
    dumps: the manifests of the dumps that it was distilled on.
    num_bytes: of its weights.
  """

  command: Sequence[str] = ()
  configuration: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
  split: str = 'dev'
  scores: Mapping[str, float] = dataclasses.field(default_factory=dict)
  spread: Mapping[str, Mapping[str, float]] = dataclasses.field(
    default_factory=dict
  )
  num_seeds: int = 0
  examples_per_second: float | None = None
  dumps: Sequence[Manifest] = ()
  num_bytes: int | None = None


def read(path: str, split: str | None = None) -> RunFacts:
  """Reads the files of a run.

  Args:
    path: as for `location.locate`.
    split: as for `evaluated_split`.

  Raises:
    UserError: there is no checkpoint, a file is malformed, or as for
      `evaluated_split`.
  """
  checkpoint = location.locate(path)
  folder = run_files.of_checkpoint(checkpoint.folder)
  run = run_files.read(folder)
  command = run_files.recorded_command(run)
  words = [f'{command[0]}.py', *command[1]] if command else []
  configuration = run.get('configuration') or {}
  scores = _scores(os.path.join(folder, 'eval_results.txt'))
  spread, num_seeds = _spread(folder, scores)
  return RunFacts(
    tuple(words),
    configuration,
    run.get('versions') or {},
    evaluated_split(folder, words, split),
    scores,
    spread,
    num_seeds,
    speed_of_evaluation(folder).get('examples_per_second') or None,
    tuple(_dumps(folder, words, run_files.recorded_dumps(run))),
    sum(files.size(x) for x in checkpoint.data_files()),
  )


def speed_of_evaluation(folder: str) -> dict[str, Any]:
  """Returns the eval_speed.json of a run's folder; {} if there is none."""
  return files.read_object_if_there(os.path.join(folder, 'eval_speed.json'))


def evaluated_split(
  folder: str, words: Iterable[str], given: str | None = None
) -> str:
  """Returns the split of the scores in a run's folder.

  The evaluation records it. Older ones did not: then it is the `eval_split` of
  the run's command, although another command may have evaluated the run.

  Args:
    folder: the run's.
    words: of the run's command.
    given: the user's name for the split, which precedes both. It may be a name
      that only the user knows, such as 'selection' for the dev file of a folder
      that `tools.selection_split` wrote.

  Raises:
    UserError: the given split is dev or test, but the recorded one is not.
  """
  recorded = speed_of_evaluation(folder).get('split')
  if recorded and given in _EVAL_SPLITS and given != recorded:
    raise UserError(
      f'`split`={given}: the scores in {folder} are those of {recorded}, as '
      'its eval_speed.json says'
    )
  of_command = run_files.flag_values(words).get('eval_split')
  return given or recorded or of_command or 'dev'


def _spread(
  folder: str, scores: Mapping[str, float]
) -> tuple[dict[str, Mapping[str, float]], int]:
  """Returns the statistics of a run's scores over seeds, and the seeds' number.

  An undefined score has none. Nor has one that `seeds.json` has with another
  value: the run was evaluated again, perhaps on another split.
  """
  parent, name = os.path.split(folder)
  kind, _, seed = name.partition('-')
  seeds = files.read_object_if_there(os.path.join(parent, seed_folders.REPORT))
  own = (seeds.get('scores') or {}).get(seed) if kind == 'seed' else None
  spread = {
    name: statistics
    for name, statistics in (seeds.get('summary') or {}).items()
    if own
    and None not in statistics.values()
    and own.get(name) == scores.get(name.removeprefix('eval_'))
  }
  return spread, len(seeds['scores']) if spread else 0


def _dumps(
  folder: str, words: Sequence[str], used: Sequence[Any]
) -> list[Manifest]:
  """Returns the manifests of the dumps that are the run's still."""
  given = run_files.flag_values(words).get('logits_dir', '').split(',')
  if len(given) > 1:
    # The merged dump lists its teachers.
    merged = os.path.join(folder, run_files.DUMP)
    return [dump_manifest.read(merged)] if dump_manifest.exists(merged) else []
  found = []
  for dump in filter(None, given):
    shards = None
    if dump_manifest.exists(dump):
      manifest = dump_manifest.read(dump)
      shards = dump_manifest.fingerprint(manifest)
    if shards in used:
      found.append(manifest)
    else:
      logging.warning(
        'The dump %s is missing or not the one that the run used: the card '
        'says nothing of it.',
        dump,
      )
  return found


def _scores(path: str) -> dict[str, float]:
  if not files.exists(path):
    return {}
  scores = result_files.read_eval_results(path)
  scores.pop('global_step', None)
  return scores
