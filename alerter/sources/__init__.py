"""Where counts come from. A source yields a snapshot, or raises a `SourceError`."""
