"""Tests of alerter.import_export, one file per module."""
