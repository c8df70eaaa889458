"""Tests of notifiers, one module per module of them."""
