"""Which texts are held out: those of dev and test, however they are spelt."""

from data.tasks import glue, held_out
from data.tasks.examples import Example
from data.tasks.held_out import HeldOut


def test_case_and_white_space_do_not_hide_held_out_text():
  found = HeldOut([Example('0', "it 's  bad , I 'd say . ", None, '0')])
  assert found.has("It's bad, I'd say.")
  assert not found.has("It's bad.")
  assert not found.has("It's bad, I'd say.", 'second')


def test_held_out_pair_needs_both_halves():
  found = HeldOut([Example('0', 'A b', 'C', '0')])
  assert found.has('a B', 'c')
  assert not found.has('a B', 'd')
  assert not found.has('a B')
  assert not found.has('c', 'a b')


def test_the_order_of_a_pair_does_not_matter_for_symmetric_tasks():
  examples = [Example('0', 'A b', 'C', '0'), Example('1', 'D', None, '0')]
  found = HeldOut(examples, is_symmetric=True)
  assert found.has('a B', 'c') and found.has('c', 'a b')
  assert found.has('d') and not found.has('c', 'd')
  symmetric = [x for x in glue.task_names() if glue.get_task(x).is_symmetric]
  assert symmetric == ['MRPC', 'STS-B', 'QQP']


def test_dev_and_test_are_held_out_and_a_missing_one_is_named(tmp_path, caplog):
  header = 'sentence1\tsentence2\tscore\n'
  (tmp_path / 'train.tsv').write_text(f'{header}One\tTwo\t1.5\n')
  (tmp_path / 'dev.tsv').write_text(f'{header}Three\tFour\t1.5\n')
  found = held_out.read(glue.get_task('STS-B'), str(tmp_path))
  assert found.has('three', 'four') and found.has('four', 'three')
  assert not found.has('One', 'Two')
  assert 'no test split to keep out of the transfer set' in caplog.text


def test_all_splits_but_train_are_held_out():
  assert glue.get_task('MNLI').held_out_splits() == [
    *('dev', 'dev_mismatched', 'test', 'test_mismatched')
  ]
