"""What goes wrong, and what the user gets all the same: each test is named after a promise."""
