"""Rows on disk, in order, and gone with the process."""

import pytest

from alerter.adapters.spools import Spool
from alerter.errors import StoreError


def test_rows_come_back_in_order_and_once() -> None:
    """However they were added; those that begin with certain numbers can be read alone."""
    with Spool(3) as spool:
        spool.add([(2, 1, 1), (1, 9, 3)])
        spool.add([(1, 9, 2), (1, 9, 3), (1, -5, 0)])

        assert spool.count() == 4
        assert list(spool.rows()) == [(1, -5, 0), (1, 9, 2), (1, 9, 3), (2, 1, 1)]
        assert list(spool.rows(1, 9)) == [(1, 9, 2), (1, 9, 3)]
        assert list(spool.rows(3)) == []


def test_rows_can_be_added_while_others_are_read() -> None:
    """What is derived from some rows is kept beside them."""
    with Spool(2) as spool:
        spool.add((0, number) for number in range(100))
        for _, number in spool.rows(0):
            spool.add([(1, number)])

        assert len(list(spool.rows(1))) == 100


def test_what_does_not_fit_is_a_store_error() -> None:
    """As when the temporary directory is full."""
    with Spool(1) as spool, pytest.raises(StoreError, match="scratch file"):
        spool.add([(1, 2)])
