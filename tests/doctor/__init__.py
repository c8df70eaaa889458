"""Tests of what `alerter doctor` looks at."""
