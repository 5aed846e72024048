"""Plain English sentences in docstrings."""

import pytest

from tools.docstrings import docstring_prose


def test_keeps_prose_and_drops_numpydoc_tables_and_doctests():
  docstring = """Compute the mean of the given values.

    Parameters
    ----------
    values : array_like, optional
        The values that are to be averaged.
    x, y : int

    See Also
    --------
    median : This is the other average of them.

    Examples
    --------
    This is how it is called in practice.

    >>> mean([1, 2])
    This is the output of the call.

    And this is the prose after it.

    References
    ----------
    .. [1] This is a book that nobody has read.
    """
  assert docstring_prose.sentences(docstring) == (
    'Compute the mean of the given values.',
    'The values that are to be averaged.',
    'This is how it is called in practice.',
    'And this is the prose after it.',
  )


def test_keeps_descriptions_of_google_style_arguments():
  docstring = """Adds two numbers and returns them.

    ```python
    This is code in a fence.
    ```

    Args:
      first (int): The first of the two numbers, which is
        added to the other.
      second: Is the other of them.

    Returns:
      The sum of the two numbers.
    """
  assert docstring_prose.sentences(docstring) == (
    'Adds two numbers and returns them.',
    'The first of the two numbers, which is added to the other.',
    'Is the other of them.',
    'The sum of the two numbers.',
  )


def test_drops_literal_blocks_and_directives_but_keeps_notes():
  docstring = """This is what the function does::

        This is a block of code.

    .. math::

        This is a formula in disguise.

    .. note:: This is a note to be kept.
    """
  assert docstring_prose.sentences(docstring) == ('This is a note to be kept.',)


def test_bullets_are_sentences_of_their_own():
  docstring = """
    * This is the first of them
    * This is the second of them.
    """
  assert docstring_prose.sentences(docstring) == (
    'This is the second of them.',
  )


@pytest.mark.parametrize(
  ('marked', 'plain'),
  [
    ('the ``axis`` and `x`', 'the axis and x'),
    ('see :func:`~numpy.linalg.norm` first', 'see norm first'),
    ('see :class:`the tree <a.Tree>` first', 'see the tree first'),
    ('the `guide <https://a.b>`_ here', 'the guide here'),
    ('the [guide](https://a.b) here', 'the guide here'),
    ('a *very* **bold**  claim [1]_', 'a very bold claim'),
    ('two * three * four', 'two * three * four'),
  ],
)
def test_strip_markup(marked, plain):
  assert docstring_prose.strip_markup(marked) == plain


@pytest.mark.parametrize(
  'text',
  [
    'It is too short.',
    'the first letter is no capital.',
    'There is no full stop here',
    'The value of a = b is set.',
    'The bracket (is never closed here.',
    'The numbers are 1.0, 2.0, 3.0, 4.0.',
    'The word naïve is not in ASCII.',
    'Spline Wavelet Kernel Matrix Tensor.',
    'The ' + 'long ' * 59 + 'end.',
  ],
)
def test_is_prose_refuses(text):
  assert not docstring_prose.is_prose(text)


def test_is_prose_accepts_the_longest_sentence():
  assert docstring_prose.is_prose('The ' + 'long ' * 58 + 'end.')


def test_empty_docstring_has_no_sentence():
  assert docstring_prose.sentences('') == ()
