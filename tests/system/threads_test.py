"""Tests of system/threads.py."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from system.threads import concurrent_map, one_ahead, ordered_map


@pytest.fixture
def pool():
  with ThreadPoolExecutor(3) as executor:
    yield executor


def test_results_keep_the_order(pool):
  def slow_first(item: int) -> int:
    time.sleep(0.02 / (item + 1))
    return item * item

  results = ordered_map(pool, 4, slow_first, range(20))
  assert list(results) == [i * i for i in range(20)]


def test_requests_wait_at_the_same_time():
  everyone = threading.Barrier(3, timeout=10)

  def answer(item: int) -> int:
    everyone.wait()
    if item > 4:
      raise ValueError(f'item {item}')
    return item * item

  assert concurrent_map(answer, range(3)) == [0, 1, 4]
  with pytest.raises(ValueError, match='item 5'):
    concurrent_map(answer, [1, 5, 6])


def test_work_ahead_is_bounded(pool):
  items = iter(range(100))
  results = ordered_map(pool, 2, str, items)
  assert next(results) == '0'
  # It has handed items 1 and 2 to the pool.
  assert next(items) == 3
  results.close()


def test_an_error_is_raised_in_order(pool):
  def fail(item: int) -> int:
    if item == 3:
      raise ValueError('third')
    return item

  results = ordered_map(pool, 5, fail, range(10))
  assert [next(results) for _ in range(3)] == [0, 1, 2]
  with pytest.raises(ValueError, match='third'):
    next(results)


def test_the_next_item_is_prepared_meanwhile():
  second_made = threading.Event()

  def items():
    yield 1
    second_made.set()
    yield 2

  ahead = one_ahead(items())
  assert next(ahead) == 1
  assert second_made.wait(5)
  assert list(ahead) == [2]


def test_an_error_of_the_next_item_is_raised():
  def items():
    yield 1
    raise ValueError('second')

  ahead = one_ahead(items())
  assert next(ahead) == 1
  with pytest.raises(ValueError, match='second'):
    next(ahead)
