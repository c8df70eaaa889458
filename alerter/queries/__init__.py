"""Read-only answers for commands, page and plugin alike: nothing is printed, nothing is written."""
