"""The settings of Apache Beam; it need not be installed."""

import importlib.util

import pytest

from data.pretraining.beam import beam_options
from data.pretraining.beam.beam_options import BeamOptions
from system.errors import UserError


def test_without_a_runner_the_job_runs_here():
  assert beam_options.load_engine(BeamOptions()) is None


def test_missing_package_is_named(monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(
    UserError, match=r"`beam_runner`=FlinkRunner: .*'\.\[beam\]'"
  ):
    beam_options.load_engine(BeamOptions('FlinkRunner'))
