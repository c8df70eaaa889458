"""Charts, each way of drawing one in a file of its own."""
