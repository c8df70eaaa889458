"""Tests of alerter.adapters.files, one file per module."""
