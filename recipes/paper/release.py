r"""The release: all 24 sizes, pre-trained, evaluated and packed.

  python -m recipes.paper.release --data_dir=DATA --scale=smoke

WORK_DIR/release gets each size as Google packed it, uncased_L-2_H-128_A-2.zip.
The report shows the masked-LM accuracy on held-out text. GLUE scores come from
`release_sweep`, speeds from benchmarks/compact_sizes.py.
"""

import dataclasses
import os

from modeling import configs
from recipes.paper import command
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import Student
from system.steps import Step, flag_words
from tools import pack_release, run_result


def runs(plan: Plan) -> list[Run]:
  """Plans an encoder for each size, its evaluation and its zip."""
  return [
    Run({'size': size, 'method': 'pre-training'}, _encoder(plan, size))
    for size in plan.scale.release_sizes
  ]


def _encoder(plan: Plan, size: str) -> Student:
  stages = plan.stages
  encoder = stages.pretrained(size)
  evaluated = stages.evaluated(encoder, size)
  name = f'heldout_{encoder.name}'
  result = os.path.join(plan.students.runs_dir, f'{name}.json')
  folder = os.path.dirname(evaluated.done)

  def record(seconds: float | None) -> None:
    keys = {'run': name, 'size': size}
    run_result.write_of_step(result, folder, keys, seconds, 'heldout')

  step = dataclasses.replace(
    evaluated,
    done=result,
    needs=(*evaluated.needs, _packed(plan, size)),
    finish=record,
  )
  return Student(name, step, evaluated, result, folder)


def _packed(plan: Plan, size: str) -> Step:
  stages = plan.stages
  encoder = stages.pretrained(size)
  # The name does not depend on the size of the vocabulary.
  name = pack_release.release_name(configs.compact_config(size, 1), True)
  folder = stages.path('release')
  flags = {'run_dir': encoder.checkpoint, 'output_dir': folder}
  return Step(
    f'release/{name}',
    ('-m', 'tools.pack_release', *flag_words(flags)),
    os.path.join(folder, f'{name}.zip'),
    encoder.needs,
  )


EXPERIMENT = Experiment(
  name='release',
  title='The release',
  question='How well do the pre-trained encoders predict masked words?',
  figure={
    'x': 'size',
    'metric': 'score',
    'x_order': list(configs.COMPACT_SIZES),
    'y_label': 'masked-LM accuracy on held-out text',
    'connect': False,
  },
  runs=runs,
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
