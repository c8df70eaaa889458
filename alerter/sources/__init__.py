"""Sources of counts. A source yields a snapshot, or raises a `SourceError`."""
