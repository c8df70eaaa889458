"""Tests of jobs: what changes the database."""
