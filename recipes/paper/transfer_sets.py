"""Transfer sets: texts, the teacher's scores of them, and dumps of parts.

A teacher scores each text once; each experiment draws its parts.
"""

import dataclasses
import glob
import os
from collections.abc import Iterable, Mapping, Sequence

from data.tasks import glue
from distillation import dump_manifest
from recipes.paper import teacher_logits
from recipes.paper.stages import TEXTS, Stages
from system.errors import UserError
from system.steps import Step, flag_words

# Of the only teacher, where there is one.
TEACHER_SEED = 1


@dataclasses.dataclass(frozen=True)
class Dump:
  """A dump, or those of several teachers, and the steps that make it."""

  name: str
  folders: tuple[str, ...]
  needs: tuple[Step, ...]


@dataclasses.dataclass(frozen=True)
class TransferSets:
  """Plans the transfer sets of one scale.

  Attributes:
    stages: what else the scale shares.
  """

  stages: Stages

  def dump(
    self,
    task: str,
    parts: Mapping[str, int | str],
    teachers: tuple[int, ...] = (TEACHER_SEED,),
    needs: tuple[Step, ...] = (),
    **changes: object,
  ) -> Dump:
    """Makes a transfer set of parts of texts, scored by one or more teachers.

    Args:
      task: the task.
      parts: text or 'train' → the number of its sentences, or 'all'.
      teachers: their seeds.
      needs: steps that users of the dump need besides.
      **changes: more flags of `scored`.

    Raises:
      UserError: the task has pairs, the texts have none.
    """
    if glue.get_task(task).is_pair and parts.keys() != {'train'}:
      raise UserError(
        f'--tasks: {task} has pairs of texts, the transfer set '
        f'{", ".join(parts)} has single sentences. Give a task of these'
      )
    name = _name(f'{key}-{value}' for key, value in (parts | changes).items())
    steps = []
    for seed in teachers:
      kept = self._kept_logits(task, parts, seed, changes)
      scored = [
        self._imported(task, text, seed, kept[text])
        if kept
        else self.scored(task, text, seed, **changes)
        for text in parts
      ]
      folder = self.stages.path('dumps', f'{task}-{name}-{seed}')
      flags = {
        'logits_dir': ','.join(os.path.dirname(step.done) for step in scored),
        'num_examples': ','.join(map(str, parts.values())),
        'output_dir': folder,
      }
      steps.append(
        Step(
          f'dumps/{task}-{name}-{seed}',
          ('-m', 'tools.combine_dumps', *flag_words(flags)),
          f'{folder}/{dump_manifest.FILE_NAME}',
          tuple(scored),
        )
      )
    return Dump(
      _name([name, *teachers]),
      tuple(os.path.dirname(step.done) for step in steps),
      (*steps, *needs),
    )

  def main(self, task: str) -> Dump:
    """Makes the transfer set that most experiments share.

    It is film reviews and the task's training text. That of a task with pairs
    is its training pairs: the film reviews have none.
    """
    scale, parts, changes = self.stages.scale, {'train': 'all'}, {}
    if not glue.get_task(task).is_pair:
      parts = {'films': scale.num_films, **parts}
      if task in scale.task_films:
        films, _ = scale.task_films[task]
        parts['films'] = changes['max_transfer_examples'] = films
    return self.dump(task, parts, **changes)

  def scored(
    self, task: str, source: str, teacher_seed: int, **changes: object
  ) -> Step:
    """Scores all sentences of a text, or of the split 'train'.

    Args:
      task: the task.
      source: the text's name.
      teacher_seed: the teacher's.
      **changes: more flags of the dump.
    """
    more = (f'{key}-{value}' for key, value in changes.items())
    name = _name([task, source, teacher_seed, *more])
    texts, needs = self._source(source)
    folder = self.stages.path('scored', name)
    teacher = os.path.join('teachers', f'{task}-{teacher_seed}')
    flags = {
      **self.stages.task_flags(task),
      'do_dump_logits': True,
      **texts,
      'logits_dir': folder,
      'teacher_checkpoint': self.stages.path(teacher),
      'predict_batch_size': self.stages.scale.eval_batch_size,
      'max_transfer_examples': self.stages.scale.max_scored,
      **self.stages.scale.device,
      **changes,
    }
    if self.stages.scale.teacher_epochs < 1:
      flags['allow_weak_teacher'] = True
    return Step(
      f'scored/{name}',
      ('run_distillation.py', *flag_words(flags)),
      f'{folder}/{dump_manifest.FILE_NAME}',
      (self.stages.teacher(task, teacher_seed), *needs),
    )

  def text(self, name: str) -> Step:
    """Splits a text into its different sentences, in random order."""
    source = self.stages.required(
      os.path.join(self.stages.data_dir, TEXTS[name])
    )
    output = self.stages.path('text', f'{name}.txt')
    flags = {'input_file': source, 'output_file': output, 'all_sentences': True}
    if source.endswith('.tsv.gz'):
      flags['text_column'] = 'sentence'
    return Step(
      f'text/{name}',
      ('-m', 'tools.sample_sentences', *flag_words(flags)),
      output,
    )

  def similarity(self, task: str, texts: Sequence[str]) -> Step:
    """Compares the words of texts with those of the task's training text."""
    steps = [self.text(name) for name in texts]
    output = self.stages.path('text', f'similarity-{task}.json')
    flags = {
      'task_name': task,
      'data_dir': self.stages.task_dir(task),
      'other_files': ','.join(step.done for step in steps),
      # All domains in the amount of the experiment, in which they are compared.
      'max_lines': self.stages.scale.domain_examples,
      'output_file': output,
    }
    return Step(
      f'text/similarity-{task}',
      ('-m', 'tools.unigram_similarity', *flag_words(flags)),
      output,
      tuple(steps),
    )

  def _source(self, source: str) -> tuple[dict[str, object], tuple[Step, ...]]:
    """Returns the flag that names a text, and the step that makes it."""
    if source == 'train':
      return {'transfer_split': 'train'}, ()
    text = self.text(source)
    return {'transfer_file': text.done}, (text,)

  def _kept_logits(
    self,
    task: str,
    sources: Iterable[str],
    seed: int,
    changes: Mapping[str, object],
  ) -> dict[str, str]:
    """Returns text → the file with a teacher's logits.

    It is empty if there are none of this teacher.

    Raises:
      UserError: there are some, but not all that the dump needs: a teacher that
        is trained again is another one.
    """
    folder, scale = self.stages.teacher_logits, self.stages.scale
    if folder is None or scale.max_scored is not None:
      return {}
    paths = {
      source: os.path.join(folder, f'{task}-{source}-{seed}.safetensors')
      for source in sources
    }
    any_text = os.path.join(glob.escape(folder), f'{task}-*-{seed}.safetensors')
    if not glob.glob(any_text):
      return {}
    missing = [path for path in paths.values() if not os.path.exists(path)]
    if changes or missing:
      lacks = ', '.join(f'--{name}' for name in changes)
      what = f'there is no {missing[0]}' if missing else f'they lack {lacks}'
      raise UserError(
        f'--teacher_logits={folder}: the experiment needs more of the teacher '
        f'with seed {seed} than its logits there: {what}. A teacher that is '
        'trained here is another one: leave the flag out, and give another '
        '--work_dir and --runs_dir'
      )
    return paths

  def _imported(
    self, task: str, source: str, seed: int, logits_file: str
  ) -> Step:
    """Makes a dump of a teacher's logits on a text, which a file has."""
    name = f'{task}-{source}-{seed}'
    tables = self.stages.path('teacher_logits', name)
    texts, needs = self._source(source)
    flags = {
      'task_name': task,
      'data_dir': self.stages.task_dir(task),
      **texts,
      'logits_file': logits_file,
      'output_dir': tables,
    }
    transfer = os.path.join(tables, teacher_logits.TRANSFER_TABLE)
    table = Step(
      f'teacher_logits/{name}',
      ('-m', 'recipes.paper.teacher_logits', *flag_words(flags)),
      transfer,
      needs,
    )
    folder = self.stages.path('imported', name)
    flags = {
      **self.stages.task_flags(task),
      'do_import_logits': True,
      'teacher_scores': transfer,
      'teacher_dev_scores': os.path.join(tables, teacher_logits.DEV_TABLE),
      # The parts of a dump must have one teacher.
      'teacher_name': f'{task}, seed {seed}',
      'logits_dir': folder,
    }
    return Step(
      f'imported/{name}',
      ('run_distillation.py', *flag_words(flags)),
      f'{folder}/{dump_manifest.FILE_NAME}',
      (table,),
    )


def _name(parts: Iterable[object]) -> str:
  return '-'.join(map(str, parts))
