"""Tests of sources, one module per module of them."""
