"""What an experiment is: a question, the runs that answer it, and its report.

`command.py` makes each experiment a command.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recipes.paper.scales import Scale
from recipes.paper.stages import Stages
from recipes.paper.students import Student, Students
from recipes.paper.transfer_sets import TransferSets
from system.steps import Step


@dataclasses.dataclass(frozen=True)
class Run:
  """A run of an experiment.

  Attributes:
    keys: what it stands for in the experiment.
    student: the run.
  """

  keys: Mapping[str, Any]
  student: Student


@dataclasses.dataclass(frozen=True)
class Plan:
  """What an experiment's runs are planned with."""

  students: Students
  seeds: Sequence[int]

  @property
  def stages(self) -> Stages:
    """The shared stages."""
    return self.students.stages

  @property
  def transfer_sets(self) -> TransferSets:
    """The shared transfer sets."""
    return TransferSets(self.stages)

  @property
  def scale(self) -> Scale:
    """The scale."""
    return self.stages.scale


@dataclasses.dataclass(frozen=True)
class Experiment:
  """An experiment of the paper.

  Attributes:
    name: of its module and of its folder of results.
    title: for the report.
    question: what it asks, in a sentence or two.
    figure: see tools/reporting/experiments.py.
    runs: plans the runs.
    first: plans the steps whose output the keys of the runs need.
    sizes: the sizes whose encoders --encoders can give; None if the experiment
      pre-trains all its encoders itself.
    varies_rates: whether the students' learning rates are what it compares,
      instead of those of students.py.
    paper: the paper's numbers, as {'x', 'line', 'value'}.
    paper_source: where they were published.
    notes: sentences for the report.
    summary: makes more sentences from the results.
  """

  name: str
  title: str
  question: str
  figure: Mapping[str, Any]
  runs: Callable[[Plan], list[Run]]
  first: Callable[[Plan], list[Step]] | None = None
  sizes: Callable[[Scale], Sequence[str]] | None = None
  varies_rates: bool = False
  paper: Sequence[Mapping[str, Any]] = ()
  paper_source: str = ''
  notes: Sequence[str] = ()
  summary: Callable[[Sequence[Mapping[str, Any]]], list[str]] | None = None
