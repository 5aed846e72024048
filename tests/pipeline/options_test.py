"""The settings of run_pipeline.py: what contradicts itself is refused."""

import pytest
import tiny_pipeline

from system.errors import UserError


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_pipeline.make_texts(tmp_path_factory.mktemp('texts'))


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'input_file': None}, 'give either `input_file` or `data_dir`'),
    ({'data_dir': '.'}, 'give either `input_file` or `data_dir`'),
    ({'input_file': None, 'data_dir': 'none'}, "there is no folder 'none'"),
    ({'teacher': None}, 'give either `teacher` or `logits_dir`'),
    ({'logits_dir': 'dump'}, 'give either `teacher` or `logits_dir`'),
    ({'bert_size': 'tiny'}, 'give either `bert_size` or `init_checkpoint`'),
    (
      {'teacher': None, 'logits_dir': 'dump'},
      '`transfer_file` cannot take effect',
    ),
    ({'dev_fraction': 0.6, 'test_fraction': 0.5}, 'less than 1'),
  ],
)
def test_contradictions_are_refused(folder, changes, message):
  with pytest.raises(UserError, match=message):
    tiny_pipeline.options(folder, **changes).check()


def test_a_table_a_teacher_and_a_student_are_enough(folder):
  tiny_pipeline.options(folder, transfer_file=()).check()
