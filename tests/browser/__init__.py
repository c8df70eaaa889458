"""Tests in a real Chromium: `make browser`. They are no part of `make test`."""
