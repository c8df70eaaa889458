"""The screens, one module each: a view reads through `queries`, and returns a template and its values."""
