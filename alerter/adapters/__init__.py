"""The edges: one outside system each, strangers to one another. Text becomes types here, once."""
