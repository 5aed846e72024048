"""Flags of Apache Beam, where it is not installed."""

import importlib.util

import pytest
from absl.testing import flagsaver

from cli import beam_flags
from system.errors import UserError

beam_flags.define()


def test_without_a_runner_the_work_is_done_here():
  with flagsaver.flagsaver():
    beam_flags.FLAGS.mark_as_parsed()
    beam_flags.check()
    assert beam_flags.engine() is None


def test_what_to_install_is_told(monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with flagsaver.flagsaver():
    beam_flags.FLAGS.mark_as_parsed()
    beam_flags.FLAGS.beam_runner = 'FlinkRunner'
    with pytest.raises(
      UserError, match=r"--beam_runner=FlinkRunner: .*'\.\[beam\]'"
    ):
      beam_flags.engine()
