"""A dev split of the training data, for choosing settings."""

import pytest

from data.tasks import glue
from data.tasks.examples import Example
from system.errors import UserError
from tools import selection_split

_SENTENCES = (
  'a fine film of few words',
  'fine film',
  'words',
  'a dull one',
  'fine filming',
  'nothing is dull',
)


def _examples(texts):
  return [Example(str(n), text, None, '1') for n, text in enumerate(texts)]


def test_a_drawn_text_is_part_of_no_other_and_its_parts_leave_training():
  for seed in range(20):
    train, dev = selection_split.draw(_examples(_SENTENCES), 1, seed)
    assert dev[0] in (0, 3, 4, 5)
    parts = {0: {1, 2}}.get(dev[0], set())
    assert set(train) == set(range(6)) - {dev[0]} - parts


def test_repeated_texts_stay_in_the_training_set():
  train, dev = selection_split.draw(_examples(['x y', 'x y', 'z']), 1, 1)
  assert (train, dev) == ([0, 1], [2])


def test_both_texts_of_a_pair_count():
  pairs = [Example('0', 'a', 'b c', '1'), Example('1', 'a', 'b', '1')]
  with pytest.raises(UserError, match='leaves no training example'):
    selection_split.draw(pairs, 1, seed=1)


def test_pairs_of_symmetric_tasks_are_compared_in_both_orders():
  texts = [('a', 'b'), ('B', 'A'), ('c', 'd'), ('x', 'x'), ('e f', 'g')]
  pairs = [Example(str(n), *own, '1') for n, own in enumerate(texts)]
  drawn = set()
  for seed in range(20):
    train, dev = selection_split.draw(pairs, 1, seed, is_symmetric=True)
    assert sorted(train + dev) == [0, 1, 2, 3, 4]
    drawn |= set(dev)
  assert drawn == {2, 3, 4}
  # The turned-round ' f g ' is part of ' e f g '.
  pairs.append(Example('5', 'g', 'F', '1'))
  found = [selection_split.draw(pairs, 1, s, True) for s in range(20)]
  assert ([0, 1, 2, 3], [4]) in found and all(dev != [5] for _, dev in found)


def test_a_task_whose_files_differ_is_refused(tmp_path):
  with pytest.raises(UserError, match='training and dev files of XNLI have'):
    selection_split.write(glue.xnli('zh'), 'a', str(tmp_path), 1, seed=1)
  with pytest.raises(UserError, match="unknown task 'custom'.* XNLI$"):
    glue.get_task('custom')
  for name in glue.task_names():
    if name not in ('AX', 'XNLI'):
      selection_split._check_layouts(glue.get_task(name))


def test_too_many_examples_are_refused():
  with pytest.raises(UserError, match='=5, but only 4 of 6 training texts'):
    selection_split.draw(_examples(_SENTENCES), 5, seed=1)


@pytest.mark.parametrize(
  'name, header, row',
  [
    ('SST-2', 'sentence\tlabel\n', '"text {} \t1\n'),
    ('CoLA', '', 'gj04\t1\t\ttext {}\n'),
  ],
)
def test_files_keep_their_form(tmp_path, name, header, row):
  source, target = tmp_path / 'source', tmp_path / 'target'
  source.mkdir()
  rows = [row.format(n) for n in 'abcde']
  (source / 'train.tsv').write_text(header + ''.join(rows))
  (source / 'dev.tsv').write_text(header + row)
  task = glue.get_task(name)
  selection_split.write(task, str(source), str(target), 2, seed=1)
  texts = {s: (target / f'{s}.tsv').read_text() for s in ('train', 'dev')}
  assert all(text.startswith(header) for text in texts.values())
  bodies = [text[len(header) :].splitlines(True) for text in texts.values()]
  assert [len(body) for body in bodies] == [3, 2]
  assert sorted(sum(bodies, [])) == rows
  assert len(task.read_split(str(target), 'train')) == 3
  (target / 'train.tsv').unlink()  # As a call that was cut off leaves it.
  selection_split.write(task, str(source), str(target), 2, seed=1)
  assert (target / 'train.tsv').read_text() == texts['train']
  (target / 'dev.tsv').write_text("the user's own")
  with pytest.raises(UserError, match=r'target holds dev\.tsv, which have oth'):
    selection_split.write(task, str(source), str(target), 2, seed=1)
  assert (target / 'dev.tsv').read_text() == "the user's own"
  with pytest.raises(UserError, match='holds the files to split'):
    selection_split.write(task, str(source), str(source), 2, seed=1)
